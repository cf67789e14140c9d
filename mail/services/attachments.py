"""Attachments: what may be sent, the metadata of stored ones, and signed download links.

Attachments are not stored apart: they are cut out of the raw message when they are downloaded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core import signing

from common.errors import Gone, Invalid
from mail import limits
from mail.errors import AttachmentNotFound
from mail.mime.build import OutgoingAttachment
from mail.mime.parse import AttachmentContent, AttachmentPart, ParsedMail, extract_attachment
from mail.models import Message
from mail.raw import load_raw

_SALT = "mail.attachment"
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,255}")
# Systems that store a file drop or cut at these, so each piece could become the whole name.
_NAME_BREAKS = re.compile(r"[/\\:?#*\"<>|]")


@dataclass(frozen=True, slots=True)
class AttachmentLink:
    """A time-limited URL that works without an API key."""

    url: str
    filename: str
    expires_in: int


def check_attachments(
    attachments: Sequence[OutgoingAttachment],
    body_html: str | None,
    *,
    field: str = "attachments",
    is_complete: bool = True,
    taken: Collection[str | None] = (),
) -> None:
    """Refuse what is not sent (contract mail.md 4.4). Raises Invalid naming the field.

    Until a message `is_complete` its HTML may still come. `taken` are the content ids it has already.
    """
    if sum(len(a.content) for a in attachments) > limits.ATTACHMENTS_TOTAL_BYTES:
        raise Invalid("Attachments are larger than 25 MB together. Send fewer.", loc=("body", field))
    seen = set(taken)
    for index, attachment in enumerate(attachments):
        loc = ("body", field, index)
        if is_blocked_filename(attachment.filename):
            raise Invalid("Files of this type are not sent. Put it into an archive.", loc=(*loc, "filename"))
        if attachment.content_type.lower().startswith("multipart/"):
            raise Invalid("Send the type of a single file.", loc=(*loc, "content_type"))
        if attachment.content_id is None:
            continue
        if not is_sendable_content_id(attachment.content_id):
            raise Invalid("A content_id is printable ASCII without spaces, < and >.", loc=(*loc, "content_id"))
        if is_complete and not body_html:
            raise Invalid("An inline image needs body_html that shows it.", loc=(*loc, "content_id"))
        if not attachment.content_type.lower().startswith("image/"):
            raise Invalid("Only image/* attachments can be inline.", loc=(*loc, "content_type"))
        if attachment.content_id in seen:
            raise Invalid("Each content_id may be used once in a message.", loc=(*loc, "content_id"))
        seen.add(attachment.content_id)


def is_sendable_content_id(content_id: str) -> bool:
    """Whether it can stand in a header and in `cid:` as it is."""
    return bool(_CONTENT_ID.fullmatch(content_id))


def is_blocked_filename(name: str) -> bool:
    """Whether some system would store the file under a name that ends in a blocked extension.

    Compared without case, width variants, invisible characters, and trailing dots and spaces.
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    pieces = _NAME_BREAKS.split("".join(char for char in text if char.isprintable() or char.isspace()))
    extensions = {f".{piece.rstrip('. ').rpartition('.')[2]}" for piece in pieces if "." in piece}
    return not extensions.isdisjoint(limits.BLOCKED_EXTENSIONS)


def attachment_rows(parsed: ParsedMail) -> list[dict[str, object]] | None:
    """`attachment_metadata` of a parsed message, None when it has no attachments."""
    return [
        {
            "filename": part.filename,
            "content_type": part.content_type,
            "size": part.size,
            "content_id": part.content_id,
            "is_inline": _is_inline(part),
            "part_index": part.part_index,
        }
        for part in parsed.attachments
    ] or None


def has_attachments(parsed: ParsedMail) -> bool:
    """Whether there is anything to download besides the images that the HTML shows."""
    return any(not _is_inline(part) for part in parsed.attachments)


def _is_inline(part: AttachmentPart) -> bool:
    """Whether the HTML can show it. Some mail programs mark every file as inline, invoices too; nothing shows those."""
    return part.is_inline and part.content_id is not None


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
    rows = Message.objects.alive().filter(mailbox__deleted_at__isnull=True).select_related("content")
    message = rows.filter(pk=UUID(message_id)).first()
    found = extract_attachment(load_raw(message.content), part_index) if message is not None else None
    if found is None:
        raise AttachmentNotFound
    return found
