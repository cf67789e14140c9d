"""Keep the search index: asked for with the message, done after commit, forgotten with the message.

The words of a message are put into the index a moment after it is stored, not in the same transaction. Senders wait
for the transaction that receives mail, and making and inserting the words would make it half as long again. Done
afterwards, a hundred messages at a time and for a sixteenth of the time, it costs a tenth. Nothing can be lost, because
the row that asks for it is written with the message; and nothing is found late, because a search first indexes what
still waits in its mailbox.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Substr

from common.bulk import insert_rows
from common.clock import now
from common.db import batches
from mail.enums import TextStatus
from mail.html_text import html_to_text
from mail.models import AttachmentText, Mailbox, Message, MessageContent, SearchEntry
from mail.search.document import (
    ATTACHMENT_CHARS,
    BODY_CHARS,
    SearchableMessage,
    Stream,
    document_streams,
    fts5_text,
    tsvector_text,
)
from mail.search.entries import entry_number, first_number
from mail.services.text_requests import request_texts

log = structlog.get_logger(__name__)

# Receiving mail shares the interpreter and the write lock with this. So transactions are short, and while mail arrives
# each is followed by a pause many times as long: a sixteenth of the time indexes about 250 messages a second.
_BATCH = 100
_PAUSE_RATIO_WHILE_BUSY = 15.0
_BUSY_SECONDS = 2.0
_RUN_SECONDS = 30.0
_running = threading.Lock()
_SWEEP_BATCH = 500
# HTML that is read of a message without plain text.
_HTML_CHARS = 256 * 1024


def request_indexing(messages: Iterable[Message]) -> None:
    """Ask for new messages to be indexed, in the transaction that stores them."""
    rows = list(messages)
    if not rows:
        return
    numbers = _numbers(rows)
    insert_rows(
        SearchEntry,
        [
            SearchEntry(id=number, message_id=message.pk, mailbox_id=message.mailbox_id)
            for number, message in zip(numbers, rows, strict=True)
        ],
    )


def _numbers(messages: Sequence[Message]) -> list[int]:
    """A free number for each message: its own, or the next one up."""
    numbers = [entry_number(message.created_at, message.pk) for message in messages]
    places = ", ".join(["%s"] * len(numbers))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM mail_searchentry WHERE id IN ({places})", numbers)  # noqa: S608
        taken = {row[0] for row in cursor.fetchall()}
    found = []
    for number in numbers:
        free = number
        while free in taken:
            free += 1
        taken.add(free)
        found.append(free)
    return found


def request_reindexing(message_ids: Collection[UUID]) -> None:
    """Ask for messages whose searchable text has changed to be indexed again."""
    SearchEntry.objects.filter(message_id__in=message_ids).update(is_pending=True, revision=F("revision") + 1)


def index_pending() -> int:
    """Index what waits, newest first; returns how many messages. Does nothing while this process does it already."""
    if not _running.acquire(blocking=False):
        return 0
    try:
        return _index_until(time.monotonic() + _RUN_SECONDS)
    finally:
        _running.release()


def _index_until(deadline: float) -> int:
    done = 0
    while (started := time.monotonic()) < deadline:
        pending = SearchEntry.objects.filter(is_pending=True)
        is_busy = pending.filter(pk__gte=first_number(now() - timedelta(seconds=_BUSY_SECONDS))).exists()
        found = _index(pending)
        done += found
        if found < _BATCH:
            break
        if is_busy:
            time.sleep(_PAUSE_RATIO_WHILE_BUSY * (time.monotonic() - started))
    return done


def index_everything() -> int:
    """Index what waits without pauses until nothing does; returns how many messages."""
    done = 0
    while found := _index(SearchEntry.objects.filter(is_pending=True)):
        done += found
    return done


def index_mailbox(mailbox: Mailbox, max_messages: int) -> None:
    """Index what waits in one mailbox, for a search that must not miss it."""
    for _ in range(0, max_messages, _BATCH):
        if _index(SearchEntry.objects.filter(is_pending=True, mailbox=mailbox)) < _BATCH:
            return


def _index(pending: QuerySet[SearchEntry]) -> int:
    """One batch. Words are made before the transaction, which then takes only what nobody else did meanwhile."""
    wanted = dict(pending.order_by("-pk").values_list("message_id", "revision")[:_BATCH])
    if not wanted:
        return 0
    documents = _documents(list(wanted))
    current = []
    with _quick_commits(), transaction.atomic():
        rows = SearchEntry.objects.select_for_update(skip_locked=True).filter(message_id__in=wanted, is_pending=True)
        current = [
            (number, message_id, before)
            for number, message_id, revision, before in rows.values_list(
                "pk", "message_id", "revision", "indexed_terms"
            )
            if wanted[message_id] == revision and message_id in documents
        ]
        if current:
            _write([(number, documents[pk].streams, before) for number, pk, before in current])
            request_texts({pk: documents[pk].attachments for _, pk, _ in current if documents[pk].attachments})
    return len(current)


@contextmanager
def _quick_commits() -> Iterator[None]:
    """Commit without waiting for the disk, where SQLite can: losing the last of these loses no request to index.

    What other connections commit afterwards still waits, and then includes this.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA synchronous").fetchone()[0]
        cursor.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA synchronous={before}")


@dataclass(frozen=True, slots=True)
class _Document:
    """What is searchable of a message, and its attachment_metadata."""

    streams: list[Stream]
    attachments: list[dict[str, Any]]


def _documents(message_ids: list[UUID]) -> dict[UUID, _Document]:
    rows = Message.objects.filter(pk__in=message_ids).values_list(
        "pk",
        "mailbox_id",
        "subject",
        "from_address",
        "from_display_name",
        "to_addresses",
        "cc_addresses",
        "bcc_addresses",
        "attachment_metadata",
        Substr("content__body_text", 1, BODY_CHARS),
    )
    found = list(rows)
    bodies = {row[0]: row[-1] or "" for row in found}
    bodies |= _html_bodies([pk for pk, body in bodies.items() if not body.strip()])
    texts = _attachment_texts([row[0] for row in found if row[-2]])
    documents = {}
    for pk, mailbox_id, subject, sender, name, to, cc, bcc, attachments, _ in found:
        message = SearchableMessage(
            mailbox_id=mailbox_id,
            subject=subject,
            sender=[name or "", sender],
            recipients=[*to, *(cc or ()), *(bcc or ())],
            filenames=[str(item.get("filename", "")) for item in attachments or ()],
            body=bodies[pk],
            attachment_texts=texts.get(pk, ()),
        )
        documents[pk] = _Document(_streams(message, pk), attachments or [])
    return documents


def _attachment_texts(message_ids: list[UUID]) -> dict[UUID, list[str]]:
    """Texts that were extracted, in the order of the attachments."""
    if not message_ids:
        return {}
    rows = AttachmentText.objects.filter(message_id__in=message_ids, status=TextStatus.DONE).order_by("part_index")
    found: dict[UUID, list[str]] = defaultdict(list)
    for message_id, text in rows.values_list("message_id", Substr("text", 1, ATTACHMENT_CHARS)):
        found[message_id].append(text)
    return found


def _streams(message: SearchableMessage, message_id: UUID) -> list[Stream]:
    try:
        return document_streams(message)
    except Exception:
        # One message must not keep all others out of the index.
        log.exception("mail.indexing_failed", message=str(message_id))
        return []


def _html_bodies(message_ids: list[UUID]) -> dict[UUID, str]:
    """Readable text of messages that have no plain text."""
    if not message_ids:
        return {}
    rows = MessageContent.objects.filter(pk__in=message_ids, body_html__isnull=False)
    sources = rows.values_list("pk", Substr("body_html", 1, _HTML_CHARS))
    return {pk: html_to_text(source, max_chars=BODY_CHARS) for pk, source in sources.iterator(chunk_size=10)}


def _write(rows: Sequence[tuple[int, list[Stream], bytes | memoryview | None]]) -> None:
    """Put terms into the index, instead of those of before, and settle the entries."""
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.executemany(
                "UPDATE mail_searchentry SET is_pending = FALSE, terms = %s::tsvector WHERE id = %s",
                [(tsvector_text(streams), number) for number, streams, _ in rows],
            )
            return
        _forget(cursor, [(number, before) for number, _, before in rows])
        # In rising order: FTS5 starts a new segment with every number that is below the one before.
        texts = sorted((number, fts5_text(streams)) for number, streams, _ in rows)
        cursor.executemany("INSERT INTO mail_search (rowid, terms) VALUES (%s, %s)", texts)
        cursor.executemany(
            "UPDATE mail_searchentry SET is_pending = 0, indexed_terms = %s WHERE id = %s",
            [(zlib.compress(text.encode(), 1), number) for number, text in texts],
        )


def _forget(cursor: Any, rows: Iterable[tuple[int, bytes | memoryview | None]]) -> None:
    """Take documents out of the FTS5 index, which wants to be told what they were."""
    known = [(number, zlib.decompress(before).decode()) for number, before in rows if before is not None]
    cursor.executemany("INSERT INTO mail_search (mail_search, rowid, terms) VALUES ('delete', %s, %s)", known)


def remove_from_index(message_ids: Collection[UUID]) -> None:
    """Forget messages, in the transaction that deletes them."""
    rows = SearchEntry.objects.filter(message_id__in=message_ids)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for some in batches(rows.values_list("pk", "indexed_terms").iterator(chunk_size=_BATCH), _BATCH):
                _forget(cursor, some)
    rows.delete()


def remove_deleted_from_index() -> int:
    """Forget what lies in deleted mailboxes (no search reaches those) and deleted messages; returns how many."""
    removed = 0
    for rows in (
        SearchEntry.objects.filter(message__mailbox__deleted_at__isnull=False),
        SearchEntry.objects.filter(message__in=Message.objects.filter(deleted_at__isnull=False)),
    ):
        while ids := list(rows.values_list("message_id", flat=True)[:_SWEEP_BATCH]):
            with transaction.atomic():
                remove_from_index(ids)
            removed += len(ids)
    return removed


def request_missing() -> int:
    """Ask for every message that has no entry yet; returns how many. Can be interrupted and repeated."""
    requested = 0
    rows = Message.objects.alive().filter(search_entry__isnull=True, mailbox__deleted_at__isnull=True)
    missing = rows.order_by("-pk").values_list("pk", flat=True)
    for ids in batches(list(missing), _SWEEP_BATCH):
        with transaction.atomic():
            free = Message.objects.alive().filter(pk__in=ids, search_entry__isnull=True)
            found = free.select_for_update(of=("self",))
            messages = list(found.only("pk", "mailbox_id", "created_at"))
            request_indexing(messages)
        requested += len(messages)
    return requested


def rebuild_index() -> int:
    """Empty the index and ask for every message; returns how many. The worker fills it again."""
    with transaction.atomic():
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO mail_search (mail_search) VALUES ('delete-all')")
        count = SearchEntry.objects.update(is_pending=True, revision=F("revision") + 1, indexed_terms=None)
    return count + request_missing()
