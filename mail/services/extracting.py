"""Extract the text of attachments: claim a request, read in a sandbox, store, index again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet

from common.blobs import BlobMissing
from common.clock import now
from common.db import refuse_in_transaction
from mail.enums import TextStatus
from mail.errors import AttachmentNotFound
from mail.extraction.sandbox import Extraction, extract_text
from mail.mime.parse import HeaderTooLarge, extract_attachment
from mail.models import AttachmentText, Message
from mail.raw import load_raw
from mail.services.indexing import request_reindexing
from mail.services.text_requests import format_of_item

log = structlog.get_logger(__name__)

_RUN_SECONDS = 60.0
_LEASE = timedelta(minutes=5)
_MAX_ATTEMPTS = 3
_UNSUPPORTED = "text is not extracted from files of this kind"
_running = threading.Lock()


def extract_due() -> int:
    """Extract what is requested, newest first; returns how many. Does nothing while this process does it already."""
    refuse_in_transaction("Extracting text")
    if not _running.acquire(blocking=False):
        return 0
    done = 0
    try:
        deadline = time.monotonic() + _RUN_SECONDS
        while time.monotonic() < deadline and (row := _claim()) is not None:
            _extract(row)
            done += 1
    finally:
        _running.release()
    return done


def _due() -> QuerySet[AttachmentText]:
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now())
    return AttachmentText.objects.filter(free, status=TextStatus.PENDING)


def _claim() -> AttachmentText | None:
    """Lease one row. A row whose file killed several workers is given up."""
    for pk in list(_due().order_by("-pk").values_list("pk", flat=True)[:20]):
        if _due().filter(pk=pk).update(leased_until=now() + _LEASE, attempts=F("attempts") + 1):
            row = AttachmentText.objects.select_related("message__content").get(pk=pk)
            if row.attempts <= _MAX_ATTEMPTS:
                return row
            _settle(row, Extraction(None, reason="reading the file failed several times"))
    return None


def _extract(row: AttachmentText) -> None:
    item = _item(row.message, row.part_index)
    kind = format_of_item(item) if item is not None else None
    if item is None or kind is None:
        _settle(row, Extraction(None, reason=_UNSUPPORTED))
        return
    try:
        found = extract_attachment(load_raw(row.message.content), row.part_index)
    except (BlobMissing, HeaderTooLarge):
        found = None
    if found is None:
        _settle(row, Extraction(None, reason="the file is not there any more"))
        return
    try:
        extraction = extract_text(kind, found.content)
    except Exception:
        log.exception("mail.extraction_failed", attachment=str(row.pk))
        extraction = Extraction(None, reason="the file could not be read")
    _settle(row, extraction)


def _settle(row: AttachmentText, extraction: Extraction) -> None:
    """Store the outcome; the message is indexed again when there are new words. Deleted messages are left alone."""
    status = TextStatus.FAILED if extraction.text is None else TextStatus.DONE
    with transaction.atomic():
        changed = AttachmentText.objects.filter(pk=row.pk, status=TextStatus.PENDING).update(
            status=status.value,
            reason=extraction.reason[:200],
            text=extraction.text,
            is_cut=extraction.is_cut,
            leased_until=None,
            updated_at=now(),
        )
        if changed and extraction.text:
            request_reindexing([row.message_id])


def release_leases() -> int:
    """Free the rows of a process that is known to be dead (the embedded profile, when it starts)."""
    return AttachmentText.objects.filter(status=TextStatus.PENDING, leased_until__isnull=False).update(
        leased_until=None
    )


def _item(message: Message, part_index: int) -> dict[str, Any] | None:
    return next((i for i in message.attachment_metadata or () if i["part_index"] == part_index), None)


def text_states(message: Message) -> list[dict[str, Any]] | None:
    """The message's attachment_metadata, each with `text_status`. One query, none without attachments."""
    items: Iterable[dict[str, Any]] | None = message.attachment_metadata
    if not items:
        return message.attachment_metadata
    known = dict(AttachmentText.objects.filter(message=message).values_list("part_index", "status"))
    return [{**item, "text_status": known.get(item["part_index"]) or _initial(item).value} for item in items]


def _initial(item: Mapping[str, Any]) -> TextStatus:
    return TextStatus.SKIPPED if format_of_item(item) is None else TextStatus.PENDING


def attachment_text(message: Message, filename: str) -> AttachmentText:
    """The text of one attachment by its stored file name, or its state. Raises AttachmentNotFound."""
    item = next((i for i in message.attachment_metadata or () if i["filename"] == filename), None)
    if item is None:
        raise AttachmentNotFound
    row = AttachmentText.objects.filter(message=message, part_index=item["part_index"]).first()
    if row is not None:
        return row
    status = _initial(item)
    reason = _UNSUPPORTED if status is TextStatus.SKIPPED else ""
    return AttachmentText(message=message, part_index=item["part_index"], status=status.value, reason=reason)
