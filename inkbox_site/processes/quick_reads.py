"""The quick lane of the web server (common/lanes.py): short reads of SQLite, on the thread of the event loop.

Only for the embedded profile, where the database is a file in the page cache: such a read takes a fraction of a
millisecond, and under WAL it waits for nobody. The lane's connection can neither write nor wait for a lock, and it
remembers what it read until somebody commits. Whatever does not succeed here is run again in a thread, so the lane can
only make an answer sooner, never worse.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from django.db import connections

from common.lanes import NeedsThread, ReadMemory, quick_lane


class Answer(Protocol):
    """A complete response."""

    @property
    def status(self) -> int: ...


A = TypeVar("A", bound=Answer)


class QuickReads:
    """Requests with GET to one of `paths` (regular expressions), answered where they arrive."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = re.compile("|".join(f"(?:{path})" for path in paths)) if paths else None
        self._connection: Any = None
        self._memory = ReadMemory()
        self._data_version: int | None = None

    def takes(self, method: str, path: str) -> bool:
        """Whether a request may be tried here."""
        return self._paths is not None and method == "GET" and self._paths.fullmatch(path) is not None

    def run(self, answer: Callable[[], A | None]) -> A | None:
        """The answer; None when a thread has to find it: it writes, it streams, it takes too long, or it failed."""
        with _outside_event_loop():
            self._keep_connection_harmless()
            self._notice_changes()
            try:
                with quick_lane(self._memory):
                    found = answer()
            except NeedsThread:
                return None
        return found if found is not None and found.status < 500 else None

    def _keep_connection_harmless(self) -> None:
        database = connections["default"]
        if self._connection is None or database.connection is not self._connection:
            with database.cursor() as cursor:
                cursor.execute("PRAGMA query_only = 1")
                cursor.execute("PRAGMA busy_timeout = 0")
            self._connection, self._data_version = database.connection, None

    def _notice_changes(self) -> None:
        """SQLite says whether anybody else has committed since; this connection itself never writes.

        What was committed before a request came is therefore always seen by it.
        """
        [version] = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:
            self._memory.clear()
            self._data_version = version


@contextmanager
def _outside_event_loop() -> Iterator[None]:
    """Django refuses database access under a running event loop, for the good reason that this module deals with.

    It also keeps one connection for each thread only where no loop runs; under one, every request would open its own.
    """
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
