"""Reply to all (contract mail.md 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import Invalid
from common.principal import Principal
from mail import limits
from mail.enums import RecipientKind
from mail.mime.build import OutgoingAttachment
from mail.models import Mailbox
from mail.replies import reply_all_recipients
from mail.selectors import get_message
from mail.services.attachments import check_attachments
from mail.services.composing import (
    Addressed,
    Composition,
    PreparedMessage,
    build_message,
    check_automatic_reply,
    check_tracking,
    parse_reply_to,
    reply_link,
)
from mail.signatures import sign_bodies, signature_of
from mail.threading import reply_subject


@dataclass(frozen=True, slots=True)
class ReplyAll:
    """The body of a reply to all."""

    subject: str | None = None
    body_text: str | None = None
    body_html: str | None = None
    attachments: Sequence[OutgoingAttachment] | None = ()
    reply_to: str | None = None
    track_opens: bool | None = False
    auto_submitted: str | None = None


def prepare_reply_all(principal: Principal, mailbox: Mailbox, message_id: str, reply: ReplyAll) -> PreparedMessage:
    """Validate and build an answer to everybody in the message's `reply_all_recipients`.

    Raises MessageNotFound; Invalid naming the field, or when there is nobody, or too many, to answer;
    AutomaticReplyRefused.
    """
    source = get_message(principal, mailbox, message_id)
    check_automatic_reply(reply.auto_submitted, source)
    recipients = reply_recipients(reply_all_recipients(source, mailbox.email_address))
    attachments = tuple(reply.attachments or ())
    check_attachments(attachments, reply.body_html)
    check_tracking(reply.track_opens, reply.body_html)
    body_text, body_html = sign_bodies(reply.body_text, reply.body_html, signature_of(mailbox))
    return build_message(
        mailbox,
        Composition(
            recipients=recipients,
            subject=reply_subject(source.subject) if reply.subject is None else reply.subject,
            body_text=body_text,
            body_html=body_html,
            attachments=attachments,
            reply_to=parse_reply_to(reply.reply_to),
            link=reply_link(source, source.message_id),
            tracks_opens=bool(reply.track_opens),
            auto_submitted=reply.auto_submitted,
        ),
    )


def reply_recipients(found: dict[str, list[str]]) -> Addressed:
    """The resolved recipients with their kinds. Raises Invalid when there are none or too many."""
    rows = [(kind, address) for kind in (RecipientKind.TO, RecipientKind.CC) for address in found[kind.value]]
    if not rows:
        raise Invalid("This message has nobody to reply to. Send a new message instead.")
    if len(rows) > limits.RECIPIENTS_MAX:
        raise Invalid(
            f"A reply to all would go to {len(rows)} recipients; a message goes to at most {limits.RECIPIENTS_MAX}. "
            "Send to the ones you choose, with in_reply_to_message_id."
        )
    return tuple(rows)
