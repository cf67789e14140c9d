"""Attachments of stored messages: their metadata, and signed download links.

Attachments are not stored apart: they are cut out of the raw message when they are downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core import signing

from common.errors import Gone
from mail import limits
from mail.errors import AttachmentNotFound
from mail.mime.parse import AttachmentContent, ParsedMail, extract_attachment
from mail.models import Message
from mail.raw import load_raw

_SALT = "mail.attachment"


@dataclass(frozen=True, slots=True)
class AttachmentLink:
    """A time-limited URL that works without an API key."""

    url: str
    filename: str
    expires_in: int


def attachment_rows(parsed: ParsedMail) -> list[dict[str, object]] | None:
    """`attachment_metadata` of a parsed message, None when it has no attachments."""
    return [
        {
            "filename": part.filename,
            "content_type": part.content_type,
            "size": part.size,
            "content_id": part.content_id,
            "is_inline": part.is_inline,
            "part_index": part.part_index,
        }
        for part in parsed.attachments
    ] or None



def attachment_link(message: Message, filename: str) -> AttachmentLink:
    """A signed link to one attachment by its stored file name. Raises AttachmentNotFound."""
    part = next((p for p in message.attachment_metadata or () if p["filename"] == filename), None)
    if part is None:
        raise AttachmentNotFound
    token = signing.dumps([str(message.pk), part["part_index"]], salt=_SALT, compress=False)
    return AttachmentLink(f"{settings.PUBLIC_URL}/blobs/{token}", filename, limits.ATTACHMENT_URL_SECONDS)


def read_attachment(token: str) -> AttachmentContent:
    """The bytes behind a link. Raises Gone when it has expired, AttachmentNotFound when it is forged or deleted."""
    try:
        message_id, part_index = signing.loads(token, salt=_SALT, max_age=limits.ATTACHMENT_URL_SECONDS)
    except signing.SignatureExpired:
        raise Gone("This link has expired. Ask for a new one.") from None
    except signing.BadSignature:
        raise AttachmentNotFound from None
    message = Message.objects.alive().select_related("content").filter(pk=UUID(message_id)).first()
    found = extract_attachment(load_raw(message.content), part_index) if message is not None else None
    if found is None:
        raise AttachmentNotFound
    return found
