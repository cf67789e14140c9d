"""Compose outgoing mail: check what a caller wrote and build the bytes, before the transaction that accepts them.

Every kind of send (new, reply to all, forward, draft) ends here as a Composition and leaves as a PreparedMessage, which
`queueing.queue_message` accepts. Building, parsing and writing a large blob must not hold the database's write lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.clock import now
from common.errors import Invalid
from common.ids import parse_uuid
from common.principal import Principal
from mail import limits
from mail.addresses import domain_of, parse_recipient
from mail.enums import AutoSubmitted, RecipientKind
from mail.errors import AutomaticReplyRefused, MessageNotFound
from mail.lookalikes import is_lookalike_domain
from mail.mime.build import OutgoingAttachment, OutgoingMail, build_mail, new_message_id
from mail.mime.headers import remove_controls
from mail.mime.message_ids import is_message_id
from mail.mime.parse import ParsedMail, parse_mail
from mail.models import Mailbox, Message, Thread
from mail.raw import StoredRaw, store_raw
from mail.services.attachments import check_attachments
from mail.signatures import sign_bodies, signature_of
from mail.threading import reply_references


@dataclass(frozen=True, slots=True)
class Recipients:
    """Addresses as the caller wrote them."""

    to: Sequence[str] | None = ()
    cc: Sequence[str] | None = ()
    bcc: Sequence[str] | None = ()


@dataclass(frozen=True, slots=True)
class SendMessage:
    """The body of a send."""

    recipients: Recipients
    subject: str
    body_text: str | None = None
    body_html: str | None = None
    in_reply_to_message_id: str | None = None
    reply_to: str | None = None
    attachments: Sequence[OutgoingAttachment] | None = ()
    track_opens: bool | None = False
    auto_submitted: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyLink:
    """What a message answers: the headers that say so, and the thread it joins (None: a new one)."""

    thread: Thread | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()


Addressed = tuple[tuple[RecipientKind, str], ...]


@dataclass(frozen=True, slots=True)
class Composition:
    """A message whose content is settled and checked. Bodies are complete, signature and quotes included."""

    recipients: Addressed
    subject: str
    body_text: str | None
    body_html: str | None
    attachments: tuple[OutgoingAttachment, ...] = ()
    reply_to: str | None = None
    link: ReplyLink = ReplyLink()
    is_forward: bool = False
    tracks_opens: bool = False
    # A draft has had its Message-ID since it was made.
    message_id: str | None = None
    # The value of the Auto-Submitted header (RFC 3834 section 5).
    auto_submitted: str | None = None


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A composed message, built and (when large) already in the blob store."""

    content: Composition
    message_id: str
    parsed: ParsedMail
    stored: StoredRaw
    size_bytes: int

    @property
    def recipients(self) -> Addressed:
        """Everybody it goes to, each address once."""
        return self.content.recipients

    def addresses_of(self, wanted: RecipientKind) -> list[str]:
        """Its recipients of one kind."""
        return [address for kind, address in self.recipients if kind is wanted]


def prepare_message(principal: Principal, mailbox: Mailbox, send: SendMessage) -> PreparedMessage:
    """Validate and build. Raises Invalid naming the field, MessageNotFound for an unknown row id to reply to."""
    recipients = parse_recipients(send.recipients, needs_to=True)
    attachments = tuple(send.attachments or ())
    check_attachments(attachments, send.body_html)
    check_tracking(send.track_opens, send.body_html)
    body_text, body_html = sign_bodies(send.body_text, send.body_html, signature_of(mailbox))
    parent, in_reply_to = find_reply_target(principal, mailbox, send.in_reply_to_message_id)
    check_automatic_reply(send.auto_submitted, parent)
    return build_message(
        mailbox,
        Composition(
            recipients=recipients,
            subject=send.subject,
            body_text=body_text,
            body_html=body_html,
            attachments=attachments,
            reply_to=parse_reply_to(send.reply_to),
            link=reply_link(parent, in_reply_to),
            tracks_opens=bool(send.track_opens),
            auto_submitted=send.auto_submitted,
        ),
    )


def build_message(mailbox: Mailbox, content: Composition) -> PreparedMessage:
    """The bytes of a composed message, stored where `queue_message` expects them (blocking disk I/O when large)."""
    name = mailbox.identity.sender_name if mailbox.identity is not None else ""
    mail = OutgoingMail(
        message_id=content.message_id or new_message_id(mailbox.sending_domain),
        date=now(),
        from_address=mailbox.email_address,
        from_display_name=remove_controls(name).strip() or None,
        to=tuple(a for kind, a in content.recipients if kind is RecipientKind.TO),
        cc=tuple(a for kind, a in content.recipients if kind is RecipientKind.CC),
        subject=content.subject,
        body_text=content.body_text,
        body_html=content.body_html,
        reply_to=content.reply_to,
        in_reply_to=content.link.in_reply_to,
        references=content.link.references,
        attachments=content.attachments,
        extra_headers=(("Auto-Submitted", content.auto_submitted),) if content.auto_submitted is not None else (),
    )
    raw = build_mail(mail)
    return PreparedMessage(content, mail.message_id, parse_mail(raw), store_raw(raw), len(raw))


def parse_recipients(wanted: Recipients, *, needs_to: bool = False, needs_any: bool = True) -> Addressed:
    """Valid addresses, each once: the first mention wins, so nobody gets two copies.

    At most limits.RECIPIENTS_MAX, at least one (in `to` with `needs_to`). Raises Invalid naming the address.
    """
    rows: dict[str, tuple[RecipientKind, str]] = {}
    for kind, addresses in (
        (RecipientKind.TO, wanted.to),
        (RecipientKind.CC, wanted.cc),
        (RecipientKind.BCC, wanted.bcc),
    ):
        for index, raw in enumerate(addresses or ()):
            address = parse_recipient(raw)
            if address is None:
                raise Invalid(
                    "This is not an email address. Send a bare address such as ada@example.com.",
                    loc=("body", "recipients", kind.value, index),
                )
            if not domain_of(raw).isascii() and is_lookalike_domain(domain_of(address)):
                raise Invalid(
                    "This domain mixes letters of several alphabets, as imitations of other domains do. If it is the "
                    f"one you mean, send {domain_of(address)} instead.",
                    loc=("body", "recipients", kind.value, index),
                )
            rows.setdefault(address.lower(), (kind, address))
    if needs_to and not any(kind is RecipientKind.TO for kind, _ in rows.values()):
        raise Invalid("Send at least one address in recipients.to.", loc=("body", "recipients", "to"))
    if needs_any and not rows:
        raise Invalid("Send at least one address in recipients.to, cc or bcc.", loc=("body", "recipients"))
    if len(rows) > limits.RECIPIENTS_MAX:
        raise Invalid(
            f"A message goes to at most {limits.RECIPIENTS_MAX} recipients. Send several messages.",
            loc=("body", "recipients"),
        )
    return tuple(rows.values())


def parse_reply_to(raw: str | None) -> str | None:
    """One address for the Reply-To header. Raises Invalid."""
    if raw is None:
        return None
    address = parse_recipient(raw)
    if address is None:
        raise Invalid("This is not an email address.", loc=("body", "reply_to"))
    return address


def check_tracking(wanted: bool | None, body_html: str | None) -> None:
    """Opens are seen by an image, which needs HTML to be in. Raises Invalid."""
    if wanted and not (body_html or "").strip():
        raise Invalid("Opens can only be tracked in HTML. Send body_html, or leave track_opens out.", loc=_TRACK_OPENS)


def check_automatic_reply(auto_submitted: str | None, parent: Message | None) -> None:
    """A program never answers a program or a list (RFC 3834 section 2). Raises AutomaticReplyRefused."""
    if auto_submitted == AutoSubmitted.REPLIED and parent is not None and parent.is_automatic:
        raise AutomaticReplyRefused


_TRACK_OPENS = ("body", "track_opens")


def find_reply_target(
    principal: Principal, mailbox: Mailbox, reference: str | None
) -> tuple[Message | None, str | None]:
    """The message that is answered and its Message-ID. A row id must exist; an unknown Message-ID is only a header."""
    if reference is None or not (text := reference.strip()):
        return None, None
    rows = Message.objects.visible_to(principal, mailbox).select_related("thread")
    if (row_id := parse_uuid(text)) is not None:
        parent = rows.filter(pk=row_id).first()
        if parent is None:
            raise MessageNotFound
        return parent, parent.message_id
    is_bare = not text.startswith("<")
    header = f"<{text}>" if is_bare else text
    # Some systems write identifiers without an @; those are told from a typing error by their brackets.
    if not is_message_id(header) or (is_bare and "@" not in header):
        raise Invalid(
            "Send the Message-ID or the id of a message in this mailbox.", loc=("body", "in_reply_to_message_id")
        )
    return rows.filter(message_id=header).order_by("created_at").first(), header


def reply_link(parent: Message | None, in_reply_to: str | None) -> ReplyLink:
    """The link to a found message, or to one that is known by its Message-ID only."""
    if parent is not None:
        references = reply_references(parent.references or (), parent.message_id)
        return ReplyLink(parent.thread, parent.message_id, references)
    return ReplyLink(None, in_reply_to, (in_reply_to,) if in_reply_to is not None else ())
