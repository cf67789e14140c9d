"""How many transactions run with one recipient domain at a time, in this process.

Receivers judge senders by it, and a domain whose servers hang must not take every relay thread.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

_WAIT_SECONDS = 2.0
# Whoever has been at it for longer is with a slow server: waiting for that would only block one more thread.
_SLOW_SECONDS = 5.0


class DomainSlots:
    """At most `limit` holders for each domain; others are told to come back later."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._since: dict[str, list[float]] = defaultdict(list)
        self._changed = threading.Condition()

    @contextmanager
    def take(self, domain: str) -> Iterator[bool]:
        """Hold a slot for the block; False when there was none, even after a short wait for a quick holder."""
        started = self._acquire(domain)
        try:
            yield started is not None
        finally:
            if started is not None:
                self._release(domain, started)

    def _acquire(self, domain: str) -> float | None:
        deadline = time.monotonic() + _WAIT_SECONDS
        with self._changed:
            while len(self._since[domain]) >= self._limit:
                remaining = deadline - time.monotonic()
                is_hopeless = time.monotonic() - max(self._since[domain]) > _SLOW_SECONDS
                if is_hopeless or remaining <= 0 or not self._changed.wait(remaining):
                    return None
            started = time.monotonic()
            self._since[domain].append(started)
            return started

    def _release(self, domain: str, started: float) -> None:
        with self._changed:
            self._since[domain].remove(started)
            if not self._since[domain]:
                del self._since[domain]
            self._changed.notify_all()
