"""Accept inbound mail: the one service behind SMTP, local delivery and (later) provider webhooks.

Works on batches: the SMTP door commits the messages of all sessions that wait at the same moment in one transaction,
which costs one flush of the disk instead of one per message, and one query per table instead of one per row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from common.bulk import insert_rows
from common.clock import now
from common.db import again_when_undone
from common.ids import uuid7
from common.prepared import Many, Prepared
from contacts.rules import RuleView, decide
from contacts.selectors import rules_for
from mail import limits
from mail.addresses import counterparty_address, domain_of
from mail.domains import domains_with_mailboxes
from mail.enums import Direction, Folder, MailEvent, MessageStatus
from mail.events import Occurrence, build_events
from mail.mime.parse import ParsedMail
from mail.models import Mailbox, Message, MessageContent, Thread
from mail.raw import StoredRaw
from mail.services.attachments import attachment_rows, has_attachments
from mail.services.correspondents import note_correspondents
from mail.services.indexing import request_indexing
from mail.services.storage import count_received
from mail.services.strangers import meet_senders
from mail.threading import candidate_parents
from mail.trust.dmarc import may_match_allow_rules
from mail.trust.verdicts import Assessment
from webhooks.outbox import record_many


class Acceptance(StrEnum):
    """What happened to one message for one mailbox."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    # The mailbox was deleted between RCPT and DATA.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class InboundMail:
    """A parsed message and the mailboxes it is for. `stored` is durable already (large) or inline (small)."""

    parsed: ParsedMail
    stored: StoredRaw
    size_bytes: int
    mailbox_ids: tuple[UUID, ...]
    # None for mail of this server itself and of relays that the operator trusts.
    assessment: Assessment | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """What receiving needs to know of a mailbox; building whole model instances would double the cost of a batch."""

    pk: UUID
    organization_id: str
    identity_id: UUID | None
    email_address: str
    inbound_mode: str | None


@dataclass(slots=True)
class _Entry:
    """One message for one mailbox, on its way through a batch."""

    mail: InboundMail
    mailbox: Destination
    candidates: tuple[str, ...]
    is_blocked: bool = False
    is_spam: bool = False
    # A contact rule names the sender: what it sends is wanted, wherever its earlier mail was put.
    is_wanted: bool = False


@dataclass(frozen=True, slots=True)
class _ParentThread:
    """The thread of a message that the new one answers."""

    thread_id: UUID
    folder: str
    is_new: bool


@dataclass(slots=True)
class _Batch:
    """Rows to write."""

    moment: datetime
    threads: dict[UUID, Thread] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    contents: list[MessageContent] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)
    additions: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    folders: dict[UUID, str] = field(default_factory=dict)
    bytes_by_mailbox: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    known: dict[tuple[UUID, str], _ParentThread] = field(default_factory=dict)
    known_spam: dict[tuple[UUID, str], _ParentThread] = field(default_factory=dict)


@again_when_undone
def accept_batch(mails: Sequence[InboundMail]) -> list[dict[UUID, Acceptance]]:
    """Store every message for every mailbox, exactly once; durable when it returns.

    The result has, per message, the outcome by mailbox id. Raises (database trouble) with nothing stored.
    """
    with transaction.atomic():
        mailboxes = _lock_mailboxes({pk for mail in mails for pk in mail.mailbox_ids})
        seen = _known_fingerprints(mails, mailboxes)
        outcomes: list[dict[UUID, Acceptance]] = []
        entries: list[_Entry] = []
        for mail in mails:
            outcome: dict[UUID, Acceptance] = {}
            for mailbox_id in mail.mailbox_ids:
                mailbox = mailboxes.get(mailbox_id)
                fingerprint = (mailbox_id, mail.parsed.dedup_key)
                if mailbox is None:
                    outcome[mailbox_id] = Acceptance.GONE
                elif fingerprint in seen:
                    outcome[mailbox_id] = Acceptance.DUPLICATE
                else:
                    seen.add(fingerprint)
                    outcome[mailbox_id] = Acceptance.STORED
                    parents = candidate_parents(mail.parsed.in_reply_to, mail.parsed.references)
                    entries.append(_Entry(mail, mailbox, parents[: limits.THREAD_CANDIDATES]))
            outcomes.append(outcome)
        if entries:
            _store(entries)
    return outcomes


# Locked in id order: two batches that share mailboxes wait for each other instead of deadlocking.
_LIVE_MAILBOXES = Prepared(
    lambda ids: (
        Mailbox.objects.alive()
        .filter(pk__in=ids)
        .order_by("pk")
        .select_for_update(of=("self",))
        .values_list("pk", "organization_id", "identity_id", "email_address", "identity__mail_inbound_filter_mode")
    ),
    Many(UUID),
)
_FINGERPRINTS = Prepared(
    lambda ids, keys: Message.objects.filter(mailbox_id__in=ids, dedup_key__in=keys).values_list(
        "mailbox_id", "dedup_key"
    ),
    Many(UUID),
    Many(str),
)
_PARENTS = Prepared(
    lambda ids, message_ids: (
        Message.objects.alive()
        .filter(mailbox_id__in=ids, message_id__in=message_ids, is_blocked=False, thread__deleted_at__isnull=True)
        .values_list("mailbox_id", "message_id", "thread_id", "thread__folder")
    ),
    Many(UUID),
    Many(str),
)


def _lock_mailboxes(ids: set[UUID]) -> dict[UUID, Destination]:
    return {row[0]: Destination(*row) for row in _LIVE_MAILBOXES.tuples(ids)}


def _known_fingerprints(mails: Sequence[InboundMail], mailboxes: Collection[UUID]) -> set[tuple[UUID, str]]:
    if not mailboxes:
        return set()
    return {(row[0], row[1]) for row in _FINGERPRINTS.tuples(mailboxes, {mail.parsed.dedup_key for mail in mails})}


def _store(entries: list[_Entry]) -> None:
    _apply_contact_rules(entries)
    batch = _Batch(now())
    _find_parent_threads(batch, entries)
    for entry in entries:
        _place(batch, entry)
    insert_rows(Thread, batch.threads.values())
    insert_rows(Message, batch.messages)
    insert_rows(MessageContent, batch.contents)
    note_correspondents(batch.messages)
    request_indexing(batch.messages)
    _touch_threads(batch)
    count_received(batch.bytes_by_mailbox)
    meet_senders([(entry.mailbox, entry.mail.parsed) for entry in entries if _is_somebody(entry)])
    if batch.occurrences:
        record_many(build_events(batch.occurrences))


def _is_somebody(entry: _Entry) -> bool:
    """Neither spam nor what programs and lists send (RFC 3834) comes from somebody to know."""
    parsed = entry.mail.parsed
    return not (entry.is_blocked or entry.is_spam or parsed.is_auto_submitted or parsed.is_list_mail)


def _apply_contact_rules(entries: list[_Entry]) -> None:
    identity_ids = {entry.mailbox.identity_id for entry in entries if entry.mailbox.identity_id is not None}
    senders = {counterparty_address(entry.mail.parsed.from_address) for entry in entries}
    rules: dict[UUID, list[RuleView]] = rules_for(identity_ids, "mail", senders)
    own_domains = _own_domains(entries)
    for entry in entries:
        mailbox, assessment = entry.mailbox, entry.mail.assessment
        if mailbox.identity_id is not None and mailbox.inbound_mode is not None:
            sender = counterparty_address(entry.mail.parsed.from_address)
            verdict = decide(
                mailbox.inbound_mode,
                rules.get(mailbox.identity_id, []),
                sender,
                "inbound",
                is_authenticated=_is_authenticated(assessment, sender, own_domains),
            )
            entry.is_blocked = not verdict.allowed
            entry.is_wanted = verdict.allowed and verdict.matched_rule_id is not None
        entry.is_spam = assessment is not None and assessment.is_spam and not entry.is_wanted and not entry.is_blocked


def _own_domains(entries: Iterable[_Entry]) -> frozenset[str]:
    """The domains of this server among the From domains that nothing proves. At most one query."""
    assessments = [entry.mail.assessment for entry in entries]
    unproven = {a.authentication.dmarc.from_domain for a in assessments if a and not a.authentication.aligned_by}
    return domains_with_mailboxes(unproven) if unproven else frozenset()


def _is_authenticated(assessment: Assessment | None, sender: str, own_domains: Collection[str]) -> bool:
    if assessment is None or not settings.ALLOW_RULES_NEED_DMARC:
        return True
    found = assessment.authentication
    return may_match_allow_rules(found, sender, is_own_domain=found.dmarc.from_domain in own_domains)


def _find_parent_threads(batch: _Batch, entries: Iterable[_Entry]) -> None:
    """Threads that the new messages may belong to, by (mailbox, Message-ID). One query for the batch.

    Of several messages with one Message-ID the first counts: nobody draws answers away by sending a second one.
    """
    wanted = {candidate for entry in entries for candidate in entry.candidates}
    if not wanted:
        return
    rows = _PARENTS.tuples({entry.mailbox.pk for entry in entries}, wanted)
    for mailbox, message_id, thread, folder in sorted(rows, key=lambda row: row[2]):
        known = batch.known_spam if folder == Folder.SPAM else batch.known
        known.setdefault((mailbox, message_id), _ParentThread(thread, folder, is_new=False))


def _parent(batch: _Batch, entry: _Entry) -> _ParentThread | None:
    """The thread to join. Spam never joins, and so never brings back, a thread outside the spam folder."""
    if entry.is_blocked:
        return None
    places = [batch.known_spam] if entry.is_spam else [batch.known, batch.known_spam]
    if entry.is_wanted:
        places = [batch.known]
    for candidate in entry.candidates:
        for known in places:
            if (found := known.get((entry.mailbox.pk, candidate))) is not None:
                return found
    return None


def _folder(entry: _Entry) -> Folder:
    """Of a new thread."""
    if entry.is_blocked:
        return Folder.BLOCKED
    return Folder.SPAM if entry.is_spam else Folder.INBOX


def _place(batch: _Batch, entry: _Entry) -> None:
    """Find or make the thread of one message and add its rows to the batch."""
    parsed, mailbox = entry.mail.parsed, entry.mailbox
    message_pk = uuid7()
    parent = _parent(batch, entry)
    if parent is None:
        folder = _folder(entry)
        thread = Thread(
            mailbox_id=mailbox.pk,
            subject=parsed.subject,
            folder=folder.value,
            message_count=1,
            last_message_at=batch.moment,
            created_at=batch.moment,
        )
        batch.threads[thread.pk] = thread
        parent = _ParentThread(thread.pk, folder.value, is_new=True)
    elif parent.is_new:
        batch.threads[parent.thread_id].message_count += 1
    else:
        batch.additions[parent.thread_id] += 1
        if parent.folder == Folder.ARCHIVE:
            batch.folders[parent.thread_id] = Folder.INBOX.value
    message = message_row(
        entry.mail, mailbox, pk=message_pk, thread_id=parent.thread_id, moment=batch.moment, is_blocked=entry.is_blocked
    )
    is_in_spam = parent.folder == Folder.SPAM
    if not entry.is_blocked:
        known = batch.known_spam if is_in_spam else batch.known
        known.setdefault((mailbox.pk, message.message_id), parent)
    batch.messages.append(message)
    batch.contents.append(content_row(entry.mail, message))
    batch.bytes_by_mailbox[mailbox.pk] += entry.mail.size_bytes
    if not entry.is_blocked and (settings.SPAM_EVENTS or not is_in_spam):
        batch.occurrences.append(Occurrence(MailEvent.RECEIVED, message, mailbox, parsed.body_text))


def message_row(
    mail: InboundMail, mailbox: Destination, *, pk: UUID, thread_id: UUID, moment: datetime, is_blocked: bool = False
) -> Message:
    """The row of one received message; not saved. `moment` is when it came into the mailbox."""
    parsed = mail.parsed
    return Message(
        id=pk,
        mailbox_id=mailbox.pk,
        thread_id=thread_id,
        direction=Direction.INBOUND.value,
        status=MessageStatus.RECEIVED.value,
        message_id=parsed.message_id or f"<{pk}@{domain_of(mailbox.email_address)}>",
        in_reply_to=parsed.in_reply_to,
        references=list(parsed.references) or None,
        from_address=parsed.from_address,
        from_display_name=parsed.from_display_name,
        reply_to=list(parsed.reply_to) or None,
        to_addresses=list(parsed.to_addresses),
        cc_addresses=list(parsed.cc_addresses) or None,
        subject=parsed.subject,
        snippet=parsed.snippet,
        is_blocked=is_blocked,
        is_automatic=parsed.is_auto_submitted or parsed.is_list_mail,
        has_attachments=has_attachments(parsed),
        attachment_metadata=attachment_rows(parsed),
        size_bytes=mail.size_bytes,
        dedup_key=parsed.dedup_key,
        created_at=moment,
        updated_at=moment,
    )


def content_row(mail: InboundMail, message: Message) -> MessageContent:
    """The bodies and the raw bytes that belong to a message row; not saved."""
    return MessageContent(
        message=message,
        body_text=mail.parsed.body_text,
        body_html=mail.parsed.body_html,
        raw_inline=mail.stored.raw_inline,
        raw_key=mail.stored.raw_key,
        authentication=mail.assessment.authentication.to_json() if mail.assessment else None,
        spam=mail.assessment.spam.to_json() if mail.assessment and mail.assessment.spam else None,
    )


def _touch_threads(batch: _Batch) -> None:
    """Count the additions to threads that existed before; an archived thread comes back to the inbox."""
    for thread_id in sorted(batch.additions):
        changes: dict[str, object] = {
            "message_count": F("message_count") + batch.additions[thread_id],
            "last_message_at": batch.moment,
        }
        if thread_id in batch.folders:
            changes["folder"] = batch.folders[thread_id]
        Thread.objects.filter(pk=thread_id).update(**changes)
