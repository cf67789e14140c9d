"""Ask for the text of attachments. A row is the request; mail/services/extracting.py works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mail import limits
from mail.enums import TextStatus
from mail.extraction.formats import Format, format_of
from mail.models import AttachmentText

_TOO_LARGE = "the file is too large"
_TOO_MANY = "the message has too many attachments"


def request_texts(attachments: Mapping[UUID, Sequence[Mapping[str, Any]]]) -> None:
    """Ask for the text of attachments, by message, in the caller's transaction. What was asked for stays as it is."""
    rows = []
    for message_id, items in attachments.items():
        wanted = [item for item in items if format_of_item(item) is not None]
        for number, item in enumerate(wanted):
            refusal = _refusal(item, number)
            status = TextStatus.SKIPPED if refusal else TextStatus.PENDING
            rows.append(
                AttachmentText(
                    message_id=message_id, part_index=item["part_index"], status=status.value, reason=refusal
                )
            )
    if rows:
        AttachmentText.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def format_of_item(item: Mapping[str, Any]) -> Format | None:
    """The kind of an entry of attachment_metadata; None when its text is not extracted."""
    return format_of(str(item.get("content_type", "")), str(item.get("filename", "")))


def _refusal(item: Mapping[str, Any], number: int) -> str:
    if item.get("size", 0) > limits.EXTRACTED_FILE_MAX_BYTES:
        return _TOO_LARGE
    return _TOO_MANY if number >= limits.EXTRACTED_FILES_MAX else ""
