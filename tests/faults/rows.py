"""The rows behind a server, read past it: for what no route shows, and while it is down."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg

from tests.clients.live_server import LiveServer

Row = tuple[Any, ...]
_HEX_UUID = re.compile(r"[0-9a-f]{32}")


class Rows:
    """Reads a database of either profile; values come alike (UUIDs as text)."""

    def __init__(self, server: LiveServer) -> None:
        self._postgres = server.environment.get("DATABASE_URL")
        self._sqlite = f"file:{server.data_dir / 'inkbox.sqlite3'}?mode=ro"
        self.blob_dir = server.data_dir / "blobs"

    def read(self, query: LiteralString) -> list[Row]:
        """The rows of a query that both databases understand."""
        if self._postgres:
            with psycopg.connect(self._postgres, autocommit=True) as connection:
                found: list[Row] = connection.execute(query).fetchall()
        else:
            with closing(sqlite3.connect(self._sqlite, uri=True, timeout=30)) as connection_:
                found = connection_.execute(query).fetchall()
        return [tuple(_plain(value) for value in row) for row in found]

    def count(self, query: LiteralString) -> int:
        """The single number that a query answers."""
        ((number,),) = self.read(query)
        return int(number)

    def let_leases_run_out(self) -> None:
        """On PostgreSQL, while no server runs: as if the leases' time had passed."""
        assert self._postgres
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            for table in ("mail_outboundjob", "mail_importjob", "webhooks_dispatch"):
                connection.execute(
                    f"UPDATE {table} SET leased_until = now() - interval '1 second' WHERE leased_until IS NOT NULL"
                )

    def check_database(self) -> None:
        """SQLite's own opinion of its file."""
        if not self._postgres:
            assert self.read("PRAGMA integrity_check") == [("ok",)]
            assert self.read("PRAGMA foreign_key_check") == []

    def open_work(self) -> int:
        """Rows that some worker still has to do something about."""
        return self.count("SELECT count(*) FROM mail_outboundjob WHERE is_open") + self.count(
            "SELECT count(*) FROM webhooks_dispatch WHERE state = 'pending'"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and _HEX_UUID.fullmatch(value):
        return str(UUID(value))
    return value


@dataclass(frozen=True)
class Survey:
    """What `check_mail` counted."""

    messages: int
    threads: int
    events: int
    blobs: int


def check_mail(rows: Rows) -> Survey:
    """Everything that must be true of mail and events whenever the server is not in the middle of something."""
    rows.check_database()
    messages = rows.read("SELECT id, mailbox_id, thread_id, direction, size_bytes FROM mail_message")
    blobs = _check_contents(rows, {row[0]: row[4] for row in messages})
    _check_threads(rows, messages)
    _check_storage(rows, messages)
    # Imported mail has no events.
    imported = {row[0] for row in rows.read("SELECT id FROM mail_message WHERE import_job_id IS NOT NULL")}
    events = _check_events(rows, {row[0] for row in messages if row[3] == "inbound"} - imported)
    threads = rows.count("SELECT count(*) FROM mail_thread")
    return Survey(len(messages), threads, events, blobs)


def _check_contents(rows: Rows, sizes: dict[str, int]) -> int:
    contents = rows.read("SELECT message_id, raw_inline, raw_key FROM mail_messagecontent")
    assert {row[0] for row in contents} == set(sizes), "a message without content"
    blobs = 0
    for message_id, inline, key in contents:
        raw = inline if key is None else (rows.blob_dir / key[:2] / key).read_bytes()
        assert len(raw) == sizes[message_id]
        if key is not None:
            blobs += 1
            assert hashlib.sha256(raw).hexdigest() == key
    return blobs


def _check_threads(rows: Rows, messages: list[Row]) -> None:
    in_thread = Counter(row[2] for row in messages)
    counted: dict[str, int] = dict(rows.read("SELECT id, message_count FROM mail_thread"))
    assert counted == dict(in_thread), "a thread counts other messages than it has"


def _check_storage(rows: Rows, messages: list[Row]) -> None:
    used: defaultdict[str, int] = defaultdict(int)
    for _, mailbox_id, _, _, size in messages:
        used[mailbox_id] += size
    counted: dict[str, int] = dict(rows.read("SELECT id, storage_used_bytes FROM mail_mailbox"))
    assert counted == {mailbox_id: used[mailbox_id] for mailbox_id in counted}


def _check_events(rows: Rows, inbound: set[str]) -> int:
    """Gapless numbers in each stream, and one message.received for each message that came in."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    received: Counter[str] = Counter()
    for stream, seq, event_type, body in rows.read("SELECT stream_id, seq, event_type, body FROM webhooks_event"):
        numbers[stream].append(seq)
        if event_type == "message.received":
            received[orjson.loads(body)["data"]["message"]["id"]] += 1
    for stream, last in rows.read("SELECT stream_id, last_seq FROM webhooks_eventstream"):
        assert sorted(numbers.pop(stream)) == list(range(1, last + 1)), "a gap in the event numbers"
    assert not numbers, "events outside every stream"
    assert received == Counter(inbound), "a received message without exactly one event"
    return rows.count("SELECT count(*) FROM webhooks_event")
