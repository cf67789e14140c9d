"""Store a batch of imported messages: rows as receiving makes them, but with their own date, and without events.

Archives are often sorted newest first, so a reply may come before what it answers. Messages are therefore also joined
by what they refer to: `ThreadLinks` remembers the threads in which somebody waits for a Message-ID.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from django.db.models import F

from common.bulk import insert_rows
from common.ids import uuid7
from common.prepared import Many, Prepared
from mail import limits
from mail.addresses import normalize_address
from mail.enums import Direction, Folder, MessageStatus
from mail.imports.labels import Labels
from mail.models import ImportJob, Mailbox, Message, MessageContent, Thread
from mail.services.correspondents import note_correspondents
from mail.services.indexing import request_indexing
from mail.services.receiving import Destination, InboundMail, content_row, message_row
from mail.threading import candidate_parents


@dataclass(frozen=True, slots=True)
class ImportedMail:
    """One message of an archive."""

    mail: InboundMail
    dated: datetime
    labels: Labels


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch. Messages after the first that does not fit into the mailbox are not counted."""

    imported: int
    duplicates: int
    is_full: bool


class ThreadLinks:
    """Message-IDs that imported messages refer to, and their threads. Two for each message at most."""

    def __init__(self) -> None:
        self._threads: dict[bytes, UUID] = {}

    @classmethod
    def of_job(cls, job_id: UUID) -> ThreadLinks:
        """Those of the messages that the job has imported so far."""
        links = cls()
        rows = Message.objects.filter(import_job_id=job_id).order_by("id")
        columns = rows.values_list("in_reply_to", "references", "thread_id", "thread__folder")
        for in_reply_to, references, thread_id, folder in columns.iterator(chunk_size=2000):
            if folder != Folder.SPAM:
                links.add(in_reply_to, references or (), thread_id)
        return links

    def add(self, in_reply_to: str | None, references: Sequence[str], thread_id: UUID) -> None:
        """Remember the parent and the first message of the conversation."""
        for message_id in (in_reply_to, references[0] if references else None):
            if message_id:
                self._threads.setdefault(_digest(message_id), thread_id)

    def find(self, message_id: str) -> UUID | None:
        """The thread in which somebody refers to the message."""
        return self._threads.get(_digest(message_id))


def _digest(message_id: str) -> bytes:
    # Message-IDs may be long; a hundred thousand of these stay below twenty megabytes.
    return blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_MESSAGE_IDS = Prepared(
    lambda mailbox_id, message_ids: (
        Message.objects.alive()
        .filter(mailbox_id=mailbox_id, message_id__in=message_ids)
        .values_list("message_id", "thread_id")
    ),
    UUID,
    Many(str),
)
_FINGERPRINTS = Prepared(
    lambda mailbox_id, keys: Message.objects.filter(mailbox_id=mailbox_id, dedup_key__in=keys).values_list(
        "dedup_key", "deleted_at"
    ),
    UUID,
    Many(str),
)
_OPEN_THREADS = Prepared(
    lambda mailbox_id, ids: Thread.objects.filter(
        mailbox_id=mailbox_id,
        pk__in=ids,
        deleted_at__isnull=True,
        folder__in=(Folder.INBOX.value, Folder.ARCHIVE.value),
    ),
    UUID,
    Many(UUID),
)


@dataclass(slots=True)
class _Place:
    """A thread that messages of this batch join. Mail that is dated earlier than the thread becomes its beginning."""

    thread: Thread
    is_new: bool
    added: int = 0
    is_brought_back: bool = False

    def add(self, message: Message, labels: Labels) -> None:
        thread, at = self.thread, message.created_at
        self.added += 1
        if at < thread.created_at:
            thread.created_at, thread.subject = at, message.subject
        thread.last_message_at = max(thread.last_message_at, at)
        if labels.is_inbox and thread.folder == Folder.ARCHIVE:
            thread.folder = Folder.INBOX.value
            self.is_brought_back = True


@dataclass(slots=True)
class _Batch:
    """Rows to write, and what is known about the mailbox."""

    job: ImportJob
    mailbox: Destination
    links: ThreadLinks
    moment: datetime
    threads_by_message: dict[str, UUID] = field(default_factory=dict)
    fingerprints: dict[str, bool] = field(default_factory=dict)
    places: dict[UUID, _Place] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    contents: list[MessageContent] = field(default_factory=list)
    size_bytes: int = 0


def store_batch(
    job: ImportJob, mailbox: Mailbox, mails: Sequence[ImportedMail], links: ThreadLinks, moment: datetime
) -> Stored:
    """Store what is not in the mailbox yet. The caller has locked the mailbox and commits; `links` grows."""
    destination = Destination(mailbox.pk, mailbox.organization_id, mailbox.identity_id, mailbox.email_address, None)
    batch = _Batch(job, destination, links, moment)
    _look_up(batch, mails)
    room = None
    if mailbox.storage_limit_bytes is not None:
        room = mailbox.storage_limit_bytes - mailbox.storage_used_bytes
    duplicates, is_full = 0, False
    for one in mails:
        if _is_known(batch, one):
            duplicates += 1
            continue
        if room is not None and batch.size_bytes + one.mail.size_bytes > room:
            is_full = True
            break
        _place(batch, one)
    _write(batch)
    return Stored(len(batch.messages), duplicates, is_full)


def _look_up(batch: _Batch, mails: Sequence[ImportedMail]) -> None:
    """Three queries for the batch: messages by Message-ID and by fingerprint, and the threads they may join."""
    mailbox_id, links = batch.mailbox.pk, batch.links
    wanted = {message_id for one in mails for message_id in _relatives(one)}
    if wanted:
        batch.threads_by_message = {row[0]: row[1] for row in _MESSAGE_IDS.tuples(mailbox_id, wanted)}
    for key, deleted_at in _FINGERPRINTS.tuples(mailbox_id, {one.mail.parsed.dedup_key for one in mails}):
        batch.fingerprints[key] = deleted_at is None
    threads = set(batch.threads_by_message.values())
    threads.update(thread for message_id in wanted if (thread := links.find(message_id)) is not None)
    if threads:
        batch.places = {row.pk: _Place(row, is_new=False) for row in _OPEN_THREADS.objects(mailbox_id, threads)}


def _relatives(one: ImportedMail) -> Iterable[str]:
    """The message itself and those that it may answer."""
    parsed = one.mail.parsed
    if parsed.message_id is not None:
        yield parsed.message_id
    yield from candidate_parents(parsed.in_reply_to, parsed.references)[: limits.THREAD_CANDIDATES]


def _is_known(batch: _Batch, one: ImportedMail) -> bool:
    """Whether the mailbox has the message: by Message-ID, else by its fingerprint. What was deleted may come again."""
    message_id = one.mail.parsed.message_id
    if message_id is not None and message_id in batch.threads_by_message:
        return True
    return batch.fingerprints.get(one.mail.parsed.dedup_key, False)


def _place(batch: _Batch, one: ImportedMail) -> None:
    """Find or make the thread of one message and add its rows to the batch."""
    parsed = one.mail.parsed
    place = None if one.labels.is_spam else _find_place(batch, one)
    if place is None:
        place = _new_place(batch, one)
    thread_id = place.thread.pk
    message = _row(batch, one, thread_id)
    place.add(message, one.labels)
    batch.messages.append(message)
    batch.contents.append(content_row(one.mail, message))
    batch.size_bytes += one.mail.size_bytes
    batch.fingerprints[parsed.dedup_key] = True
    batch.threads_by_message[message.message_id] = thread_id
    if not one.labels.is_spam:
        batch.links.add(parsed.in_reply_to, parsed.references, thread_id)


def _find_place(batch: _Batch, one: ImportedMail) -> _Place | None:
    """By what the message answers, then by who answers it, then by who answers the same."""
    parsed = one.mail.parsed
    parents = candidate_parents(parsed.in_reply_to, parsed.references)[: limits.THREAD_CANDIDATES]
    own = (parsed.message_id,) if parsed.message_id is not None else ()
    found = [batch.threads_by_message.get(parent) for parent in parents]
    found += [batch.links.find(message_id) for message_id in (*own, *parents)]
    places = (batch.places[pk] for pk in found if pk is not None and pk in batch.places)
    # Nothing joins a thread in the spam folder: it would disappear there.
    return next((place for place in places if place.thread.folder != Folder.SPAM), None)


def _new_place(batch: _Batch, one: ImportedMail) -> _Place:
    folder = Folder.SPAM if one.labels.is_spam else Folder.ARCHIVE if one.labels.is_archived else Folder.INBOX
    thread = Thread(
        mailbox_id=batch.mailbox.pk,
        subject=one.mail.parsed.subject,
        folder=folder.value,
        last_message_at=one.dated,
        created_at=one.dated,
    )
    place = _Place(thread, is_new=True)
    batch.places[thread.pk] = place
    return place


def _row(batch: _Batch, one: ImportedMail, thread_id: UUID) -> Message:
    parsed, job = one.mail.parsed, batch.job
    message = message_row(one.mail, batch.mailbox, pk=uuid7(), thread_id=thread_id, moment=one.dated)
    message.import_job_id = job.pk
    message.updated_at = batch.moment
    message.is_starred = one.labels.is_starred
    message.is_read = job.mark_as_read or one.labels.is_read
    if normalize_address(parsed.from_address) in job.original_addresses:
        message.direction = Direction.OUTBOUND.value
        message.status = MessageStatus.SENT.value
        message.is_read = True
    if parsed.dedup_key in batch.fingerprints:
        # A deleted message has the fingerprint, and each may be there once.
        message.dedup_key = None
    return message


def _write(batch: _Batch) -> None:
    for place in batch.places.values():
        if place.is_new:
            place.thread.message_count = place.added
    insert_rows(Thread, [place.thread for place in batch.places.values() if place.is_new])
    insert_rows(Message, batch.messages)
    insert_rows(MessageContent, batch.contents)
    note_correspondents(batch.messages)
    request_indexing(batch.messages)
    for pk in sorted(pk for pk, place in batch.places.items() if place.added and not place.is_new):
        place = batch.places[pk]
        changes: dict[str, object] = {
            "message_count": F("message_count") + place.added,
            "subject": place.thread.subject,
            "created_at": place.thread.created_at,
            "last_message_at": place.thread.last_message_at,
        }
        if place.is_brought_back:
            changes["folder"] = Folder.INBOX.value
        Thread.objects.filter(pk=pk).update(**changes)
    if batch.size_bytes:
        Mailbox.objects.filter(pk=batch.mailbox.pk).update(
            storage_used_bytes=F("storage_used_bytes") + batch.size_bytes
        )
