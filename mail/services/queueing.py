"""Queue outgoing mail: everything that may refuse a send happens here, in the transaction that accepts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F

from common.clock import now
from common.errors import Invalid, NotBuilt
from common.ids import parse_uuid, uuid7
from common.nudge import nudge
from common.principal import Principal
from contacts.rules import decide
from contacts.selectors import rules_for
from identities.enums import ClaimStatus
from identities.errors import IdentityPaused
from mail import limits
from mail.addresses import normalize_address, parse_recipient
from mail.enums import Direction, Folder, MessageStatus, RecipientKind
from mail.errors import MailboxNotFound, MessageNotFound, RecipientBlocked, StorageLimitExceeded, UnclaimedRecipient
from mail.mime.build import OutgoingAttachment, OutgoingMail, build_mail, new_message_id
from mail.mime.headers import remove_controls
from mail.mime.message_ids import is_message_id
from mail.mime.parse import ParsedMail, parse_mail
from mail.models import Mailbox, Message, MessageContent, OutboundJob, OutboundRecipient, Thread
from mail.raw import StoredRaw, store_raw
from mail.services.attachments import attachment_rows, check_attachments, has_attachments
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


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A send that passed every check of its own shape, built and (when large) already in the blob store.

    Made outside the transaction: building, parsing and writing a large blob must not hold the database's write lock.
    """

    message_id: str
    recipients: tuple[tuple[RecipientKind, str], ...]
    reply_to: str | None
    parent: Message | None
    in_reply_to: str | None
    references: tuple[str, ...]
    parsed: ParsedMail
    stored: StoredRaw
    size_bytes: int


def prepare_message(principal: Principal, mailbox: Mailbox, send: SendMessage) -> PreparedMessage:
    """Validate and build. Raises Invalid naming the field, MessageNotFound for an unknown row id to reply to."""
    if send.track_opens:
        raise NotBuilt("Open tracking is not available on this server yet. Leave track_opens out.")
    recipients = _recipients(send.recipients)
    attachments = tuple(send.attachments or ())
    check_attachments(attachments, send.body_html)
    parent, in_reply_to = _reply_target(principal, mailbox, send.in_reply_to_message_id)
    references: tuple[str, ...] = ()
    if parent is not None:
        references = reply_references(parent.references or (), parent.message_id)
    elif in_reply_to is not None:
        references = (in_reply_to,)
    name = mailbox.identity.sender_name if mailbox.identity is not None else ""
    mail = OutgoingMail(
        message_id=new_message_id(mailbox.sending_domain),
        date=now(),
        from_address=mailbox.email_address,
        from_display_name=remove_controls(name).strip() or None,
        to=tuple(a for kind, a in recipients if kind is RecipientKind.TO),
        cc=tuple(a for kind, a in recipients if kind is RecipientKind.CC),
        subject=send.subject,
        body_text=send.body_text,
        body_html=send.body_html,
        reply_to=_optional_address(send.reply_to),
        in_reply_to=in_reply_to,
        references=references,
        attachments=attachments,
    )
    raw = build_mail(mail)
    return PreparedMessage(
        mail.message_id,
        recipients,
        mail.reply_to,
        parent,
        in_reply_to,
        references,
        parse_mail(raw),
        store_raw(raw),
        len(raw),
    )


def queue_message(principal: Principal, mailbox: Mailbox, send: SendMessage, prepared: PreparedMessage) -> Message:
    """Accept a prepared message for sending, inside the caller's transaction; a worker sends it after commit.

    Order of refusals as in contract mail.md 4.12: RecipientBlocked or UnclaimedRecipient 403, StorageLimitExceeded 402.
    Raises IdentityPaused 403.
    """
    rows = Mailbox.objects.visible_to(principal).select_for_update(of=("self",)).select_related("identity")
    locked = rows.filter(pk=mailbox.pk).first()
    if locked is None:
        raise MailboxNotFound
    mailbox = locked
    _check_permission(mailbox, prepared)
    _check_storage(mailbox, prepared.size_bytes)
    # Under the lock, so that a mailbox lists its messages in the order of acceptance.
    moment = now()
    thread = _thread(mailbox, prepared, send.subject, moment)
    message = Message(
        id=uuid7(),
        mailbox=mailbox,
        thread=thread,
        is_blocked=thread.folder == Folder.BLOCKED,
        direction=Direction.OUTBOUND.value,
        status=MessageStatus.QUEUED.value,
        message_id=prepared.message_id,
        in_reply_to=prepared.in_reply_to,
        references=list(prepared.references) or None,
        from_address=mailbox.email_address,
        from_display_name=prepared.parsed.from_display_name,
        reply_to=[prepared.reply_to] if prepared.reply_to else None,
        to_addresses=_of_kind(prepared, RecipientKind.TO),
        cc_addresses=_of_kind(prepared, RecipientKind.CC) or None,
        bcc_addresses=_of_kind(prepared, RecipientKind.BCC) or None,
        subject=send.subject,
        snippet=prepared.parsed.snippet,
        is_read=True,
        has_attachments=has_attachments(prepared.parsed),
        attachment_metadata=attachment_rows(prepared.parsed),
        size_bytes=prepared.size_bytes,
        created_at=moment,
        updated_at=moment,
    )
    message.save(force_insert=True)
    MessageContent.objects.create(
        message=message,
        body_text=send.body_text,
        body_html=send.body_html,
        raw_inline=prepared.stored.raw_inline,
        raw_key=prepared.stored.raw_key,
    )
    OutboundRecipient.objects.bulk_create(
        OutboundRecipient(message=message, address=address, kind=kind.value) for kind, address in prepared.recipients
    )
    OutboundJob.objects.create(message=message)
    Mailbox.objects.filter(pk=mailbox.pk).update(storage_used_bytes=F("storage_used_bytes") + prepared.size_bytes)
    nudge("mail.send_message", message.pk)
    return message


def _recipients(wanted: Recipients) -> tuple[tuple[RecipientKind, str], ...]:
    """Valid addresses, each once: the first mention wins, so nobody gets two copies."""
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
            rows.setdefault(address.lower(), (kind, address))
    if not any(kind is RecipientKind.TO for kind, _ in rows.values()):
        raise Invalid("Send at least one address in recipients.to.", loc=("body", "recipients", "to"))
    if len(rows) > limits.RECIPIENTS_MAX:
        raise Invalid(
            f"A message goes to at most {limits.RECIPIENTS_MAX} recipients. Send several messages.",
            loc=("body", "recipients"),
        )
    return tuple(rows.values())


def _optional_address(raw: str | None) -> str | None:
    if raw is None:
        return None
    address = parse_recipient(raw)
    if address is None:
        raise Invalid("This is not an email address.", loc=("body", "reply_to"))
    return address


def _reply_target(principal: Principal, mailbox: Mailbox, reference: str | None) -> tuple[Message | None, str | None]:
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


def _of_kind(prepared: PreparedMessage, wanted: RecipientKind) -> list[str]:
    return [address for kind, address in prepared.recipients if kind is wanted]


def _check_permission(mailbox: Mailbox, prepared: PreparedMessage) -> None:
    identity = mailbox.identity
    if identity is None:
        return
    if identity.is_paused:
        raise IdentityPaused
    addresses = [address for _, address in prepared.recipients]
    if identity.claim_status != ClaimStatus.CLAIMED:
        human = normalize_address(parse_recipient(identity.human_email or "") or "")
        if any(normalize_address(address) != human for address in addresses):
            raise UnclaimedRecipient
    rules = rules_for([identity.pk], "mail").get(identity.pk, [])
    for address in addresses:
        verdict = decide(identity.mail_outbound_filter_mode, rules, normalize_address(address), "outbound")
        if not verdict.allowed:
            raise RecipientBlocked(address, verdict.matched_rule_id, verdict.reason)


def _check_storage(mailbox: Mailbox, size_bytes: int) -> None:
    limit = mailbox.storage_limit_bytes
    if limit is not None and mailbox.storage_used_bytes + size_bytes > limit:
        raise StorageLimitExceeded(limit, f"{settings.PUBLIC_URL}/")


def _thread(mailbox: Mailbox, prepared: PreparedMessage, subject: str, moment: datetime) -> Thread:
    """The thread of the answered message, counted up; a new one when there is none, or not any more."""
    if prepared.parent is not None:
        alive = Thread.objects.filter(pk=prepared.parent.thread_id, deleted_at__isnull=True)
        if alive.update(message_count=F("message_count") + 1, last_message_at=moment):
            return prepared.parent.thread
    return Thread.objects.create(
        mailbox=mailbox,
        subject=subject or None,
        folder=Folder.INBOX.value,
        message_count=1,
        last_message_at=moment,
        created_at=moment,
    )
