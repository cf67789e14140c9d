"""Two lanes for requests: a few short reads are answered on the event loop, everything else in a thread.

Handing a request to a thread and back costs more than such a read does. What is in the quick lane must neither wait nor
write; code that finds it has to says so with `leave_quick_lane` and is run again, from the start, in a thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

_REMEMBERED_QUERIES = 256
_REMEMBERED_CHARS = 64 * 1024

Rows = list[tuple[Any, ...]]


class NeedsThread(BaseException):
    """A request of the quick lane has to do more than read. Not an Exception: nothing on the way may handle it."""


class ReadMemory:
    """What the quick lane read, for as long as nothing in the database changes; whoever owns it clears it then.

    Agents ask the same questions again and again while they wait for mail.
    """

    def __init__(self) -> None:
        self._rows: OrderedDict[Hashable, Rows] = OrderedDict()

    def clear(self) -> None:
        """Something changed."""
        self._rows.clear()

    def recall(self, query: Hashable) -> Rows | None:
        """The rows of a query that was asked before."""
        rows = self._rows.get(query)
        if rows is not None:
            self._rows.move_to_end(query)
        return rows

    def keep(self, query: Hashable, rows: Rows) -> None:
        """Remember a small result."""
        if sum(len(value) for row in rows for value in row if isinstance(value, str | bytes)) <= _REMEMBERED_CHARS:
            self._rows[query] = rows
            if len(self._rows) > _REMEMBERED_QUERIES:
                self._rows.popitem(last=False)


class _Lane(threading.local):
    memory: ReadMemory | None = None


_lane = _Lane()


@contextmanager
def quick_lane(memory: ReadMemory) -> Iterator[None]:
    """What runs inside answers on the event loop."""
    _lane.memory = memory
    try:
        yield
    finally:
        _lane.memory = None


def lane_memory() -> ReadMemory | None:
    """What the quick lane remembers; None outside of it."""
    return _lane.memory


def leave_quick_lane() -> None:
    """To be called before the first write of what may be a quick read; returns where writing is fine."""
    if _lane.memory is not None:
        raise NeedsThread
