"""Change a held message before it is approved: recipients, subject, text. The rest stays as the agent wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser

from django.db.models import F

from mail.enums import AutoSubmitted, RecipientKind
from mail.mime.build import OutgoingAttachment
from mail.mime.parse import iter_attachments
from mail.models import Mailbox, Message, MessageContent, OutboundRecipient
from mail.raw import load_raw
from mail.services.attachments import attachment_rows, has_attachments
from mail.services.composing import (
    Addressed,
    Composition,
    PreparedMessage,
    Recipients,
    ReplyLink,
    build_message,
    parse_recipients,
)
from mail.services.correspondents import note_other_recipients
from mail.services.forwarding import sendable_type
from mail.services.indexing import request_reindexing
from mail.services.quotas import count_sends
from mail.services.storage import check_storage

_HEADERS_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Edits:
    """A held message as its approver wants it. A text that differs replaces both forms of the body."""

    recipients: Recipients
    subject: str
    body_text: str


def rebuild_message(message: Message, mailbox: Mailbox, edits: Edits) -> PreparedMessage | None:
    """The edited message, built and stored outside of any transaction; None when nothing is different.

    Raises Invalid naming the field.
    """
    recipients = parse_recipients(edits.recipients)
    keeps_body = _lines(edits.body_text) == _lines(editable_text(message))
    if keeps_body and edits.subject == (message.subject or "") and set(recipients) == set(recipients_of(message)):
        return None
    raw = load_raw(message.content)
    body_html = message.content.body_html if keeps_body else None
    return build_message(
        mailbox,
        Composition(
            recipients=recipients,
            subject=edits.subject,
            body_text=message.content.body_text if keeps_body else _lines(edits.body_text),
            body_html=body_html,
            attachments=tuple(_files(raw, body_html or "")),
            reply_to=next(iter(message.reply_to or ()), None),
            link=ReplyLink(message.thread, message.in_reply_to, tuple(message.references or ())),
            is_forward=message.is_forward,
            tracks_opens=message.tracks_opens and body_html is not None,
            message_id=message.message_id,
            auto_submitted=_auto_submitted(raw) if message.is_automatic else None,
        ),
    )


def editable_text(message: Message) -> str:
    """The text that an approver may change; empty when there is only HTML."""
    return message.content.body_text or ""


def recipients_of(message: Message) -> Addressed:
    """Whom a message goes to, and in which header."""
    rows = (
        (RecipientKind.TO, message.to_addresses),
        (RecipientKind.CC, message.cc_addresses),
        (RecipientKind.BCC, message.bcc_addresses),
    )
    return tuple((kind, address) for kind, addresses in rows for address in addresses or ())


def apply_edits(message: Message, prepared: PreparedMessage) -> None:
    """Put the edited message in the place of the held one, inside the caller's transaction, its mailbox locked.

    Raises RateLimited 429 and StorageLimitExceeded 402 when more recipients or bytes are more than is left.
    """
    mailbox, content = message.mailbox, prepared.content
    more = len(prepared.recipients) - message.recipients.count()
    if more > 0 and mailbox.identity is not None:
        count_sends(mailbox.identity, more)
    growth = prepared.size_bytes - message.size_bytes
    if growth > 0:
        check_storage(mailbox, growth)
    Mailbox.objects.filter(pk=mailbox.pk).update(storage_used_bytes=F("storage_used_bytes") + growth)
    message.to_addresses = prepared.addresses_of(RecipientKind.TO)
    message.cc_addresses = prepared.addresses_of(RecipientKind.CC) or None
    message.bcc_addresses = prepared.addresses_of(RecipientKind.BCC) or None
    message.subject, message.snippet = content.subject, prepared.parsed.snippet
    message.tracks_opens = content.tracks_opens
    message.has_attachments = has_attachments(prepared.parsed)
    message.attachment_metadata = attachment_rows(prepared.parsed)
    message.size_bytes = prepared.size_bytes
    message.save()
    MessageContent.objects.filter(pk=message.pk).update(
        body_text=content.body_text,
        body_html=content.body_html,
        raw_inline=prepared.stored.raw_inline,
        raw_key=prepared.stored.raw_key,
    )
    OutboundRecipient.objects.filter(message=message).delete()
    OutboundRecipient.objects.bulk_create(
        OutboundRecipient(message=message, address=address, kind=kind.value) for kind, address in prepared.recipients
    )
    note_other_recipients(message)
    request_reindexing([message.pk])


def _files(raw: bytes, body_html: str) -> Iterator[OutgoingAttachment]:
    """Everything attached; images that no HTML shows any more become files."""
    for found in iter_attachments(raw):
        content_id = found.part.content_id
        is_shown = content_id is not None and f"cid:{content_id}" in body_html
        yield OutgoingAttachment(
            found.part.filename, sendable_type(found), found.content, content_id if is_shown else None
        )


def _auto_submitted(raw: bytes) -> str | None:
    header = str(BytesHeaderParser().parsebytes(raw[:_HEADERS_BYTES], headersonly=True)["Auto-Submitted"] or "")
    return header if header in set(AutoSubmitted) else None


def _lines(text: str) -> str:
    """Line ends of forms as those of the API, and nothing at the end that nobody sees."""
    return text.replace("\r\n", "\n").rstrip()
