"""Starts roles, waits for a signal, stops them in order and in time."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import structlog

from inkbox_site.processes.roles import Role

# Container runtimes kill after ten seconds; the rest is for the interpreter to end, on a busy machine too.
STOP_SECONDS = 7.0

log = structlog.get_logger(__name__)


# Objects that may be made before the collector looks for cycles; a request makes some hundreds and leaves none behind.
_COLLECT_AFTER = 10_000


def _settle_memory() -> None:
    """Take what was loaded so far, which stays, out of the collector's sight: it would walk it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


class Supervisor:
    """The life of one server process. Roles are given in the order in which they stop; they start in reverse."""

    def __init__(self, roles: Sequence[Role]) -> None:
        self._roles = roles
        self._started: list[Role] = []
        self._wake = threading.Event()
        self._is_asked_to_stop = False
        self.dead_role: str | None = None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT ask for a clean stop; a second one ends the process at once."""
        handled = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, self._on_signal) for number in handled}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def start(self) -> bool:
        """Start the roles; False when a signal came meanwhile. When one cannot start, its error is raised."""
        try:
            for role in reversed(self._roles):
                if self._is_asked_to_stop:
                    return False
                self._started.append(role)
                role.start(self._on_death)
        except BaseException:
            self.stop()
            raise
        _settle_memory()
        return True

    def wait(self) -> None:
        """Until a signal comes or a role dies."""
        self._wake.wait()

    def stop(self) -> None:
        """Stop what was started; what does not end in time is left behind, the rows keep its work."""
        deadline = time.monotonic() + STOP_SECONDS
        started = [role for role in self._roles if role in self._started]
        for role in started:
            role.expect_stop()
        for role in started:
            try:
                role.stop(max(0.1, deadline - time.monotonic()))
            except Exception:
                log.exception("role.stop_failed", role=role.name)
        self._started.clear()

    def lines(self) -> list[tuple[str, str]]:
        """What to tell the person who started the server."""
        return [line for role in self._roles for line in role.lines()]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_asked_to_stop:
            os._exit(128 + number)
        self._is_asked_to_stop = True
        self._wake.set()

    def _on_death(self, role: str) -> None:
        self.dead_role = role
        self._wake.set()
