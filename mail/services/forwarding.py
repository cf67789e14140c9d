"""Forward a message, inline or wrapped (contract mail.md 4.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.errors import Invalid
from common.principal import Principal
from mail import limits
from mail.enums import ForwardMode
from mail.mime.attachments import sanitize_filename
from mail.mime.build import OutgoingAttachment, is_sendable_type
from mail.mime.parse import AttachmentContent, iter_attachments
from mail.models import Mailbox, Message
from mail.quoting import Original, quote_forwarded
from mail.raw import load_raw
from mail.selectors import get_message
from mail.services.attachments import check_attachments, is_blocked_filename, is_sendable_content_id
from mail.services.composing import (
    Composition,
    PreparedMessage,
    Recipients,
    build_message,
    check_tracking,
    parse_recipients,
    parse_reply_to,
)
from mail.signatures import sign_bodies, signature_of
from mail.threading import forward_subject

_EXTRA = "additional_attachments"


@dataclass(frozen=True, slots=True)
class ForwardMessage:
    """The body of a forward. Bodies are the caller's note."""

    recipients: Recipients
    mode: ForwardMode = ForwardMode.INLINE
    include_original_attachments: bool = True
    subject: str | None = None
    body_text: str | None = None
    body_html: str | None = None
    additional_attachments: Sequence[OutgoingAttachment] | None = ()
    reply_to: str | None = None
    track_opens: bool | None = False
    auto_submitted: str | None = None


def prepare_forward(
    principal: Principal,
    mailbox: Mailbox,
    message_id: str,
    forward: ForwardMessage,
    *,
    own_message_id: str | None = None,
) -> PreparedMessage:
    """Validate and build a forward of any visible message, always as the start of a thread.

    Raises MessageNotFound; Invalid naming the field, also when original and additions are over the attachment limits.
    """
    source = get_message(principal, mailbox, message_id)
    recipients = parse_recipients(forward.recipients)
    additions = tuple(forward.additional_attachments or ())
    check_additions(additions)
    compose = _wrap if forward.mode == ForwardMode.WRAPPED else _quote
    body_text, body_html, attachments = compose(mailbox, source, forward)
    attachments = (*attachments, *additions)
    if sum(len(a.content) for a in attachments) > limits.ATTACHMENTS_TOTAL_BYTES:
        raise Invalid(
            "The original and the additional attachments are larger than 25 MB together. Send fewer.",
            loc=("body", _EXTRA),
        )
    return build_message(
        mailbox,
        Composition(
            recipients=recipients,
            subject=forward_subject(source.subject) if forward.subject is None else forward.subject,
            body_text=body_text,
            body_html=body_html,
            attachments=attachments,
            reply_to=parse_reply_to(forward.reply_to),
            is_forward=True,
            tracks_opens=bool(forward.track_opens),
            message_id=own_message_id,
            auto_submitted=forward.auto_submitted,
        ),
    )


def check_additions(additions: Sequence[OutgoingAttachment]) -> None:
    """What may be added to a forward: as for a send, but nothing inline. Raises Invalid naming the field."""
    for index, attachment in enumerate(additions):
        if attachment.content_id is not None:
            raise Invalid(
                "A forward takes no inline images. Leave content_id out.", loc=("body", _EXTRA, index, "content_id")
            )
    check_attachments(additions, None, field=_EXTRA)


Composed = tuple[str | None, str | None, tuple[OutgoingAttachment, ...]]


def _wrap(mailbox: Mailbox, source: Message, forward: ForwardMessage) -> Composed:
    """The note as the body; the original, byte for byte, as a part of its own (signed mail stays valid)."""
    check_tracking(forward.track_opens, forward.body_html)
    body_text, body_html = sign_bodies(forward.body_text, forward.body_html, signature_of(mailbox))
    name = f"{sanitize_filename(source.subject or '')[:_MAX_NAME_CHARS].rstrip('. ') or 'message'}.eml"
    return body_text, body_html, (OutgoingAttachment(name, "message/rfc822", load_raw(source.content)),)


_MAX_NAME_CHARS = 100


def _quote(mailbox: Mailbox, source: Message, forward: ForwardMessage) -> Composed:
    """The note above the quoted original, with the original's files and the images that its HTML shows."""
    quoted = quote_forwarded(forward.body_text, forward.body_html, Original.of(source), signature_of(mailbox))
    check_tracking(forward.track_opens, quoted.body_html)
    attachments: list[OutgoingAttachment] = []
    shown_in = (quoted.body_html or "") if quoted.shows_images else ""
    total = 0
    for attachment in _original_files(source, shown_in, wants_files=forward.include_original_attachments):
        total += len(attachment.content)
        if total > limits.ATTACHMENTS_TOTAL_BYTES:
            raise Invalid(
                "The original's attachments are larger than 25 MB together. Forward it without them.",
                loc=("body", "include_original_attachments"),
            )
        attachments.append(attachment)
    return quoted.body_text, quoted.body_html, tuple(attachments)


def _original_files(source: Message, shown_in: str, *, wants_files: bool) -> Iterator[OutgoingAttachment]:
    """Images stay where the HTML shows them; everything else comes along as a file when that is wanted."""
    if not source.attachment_metadata or not (wants_files or "cid:" in shown_in):
        return
    taken: set[str] = set()
    for found in iter_attachments(load_raw(source.content)):
        content_id = _shown_image(found, shown_in, taken)
        if content_id is not None:
            taken.add(content_id)
        elif not wants_files:
            continue
        if is_blocked_filename(found.part.filename):
            raise Invalid(
                "The original has a file of a type that is not sent. Forward it without its attachments.",
                loc=("body", "include_original_attachments"),
            )
        yield OutgoingAttachment(found.part.filename, sendable_type(found), found.content, content_id)


def _shown_image(found: AttachmentContent, shown_in: str, taken: set[str]) -> str | None:
    content_id = found.part.content_id
    if content_id is None or content_id in taken or not found.part.content_type.startswith("image/"):
        return None
    return content_id if is_sendable_content_id(content_id) and f"cid:{content_id}" in shown_in else None


def sendable_type(found: AttachmentContent) -> str:
    """With the charset of a text, which its bytes are in."""
    part = found.part
    whole = f"{part.content_type}; charset={part.charset}"
    if part.charset is not None and is_sendable_type(whole):
        return whole
    return part.content_type if is_sendable_type(part.content_type) else "application/octet-stream"
