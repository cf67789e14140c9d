"""Kill a server, start it again on the same data, and keep its clients busy meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.clients.live_server import LiveServer
from tests.clients.services import is_distributed
from tests.faults.rows import Rows

# A client that finds nobody listening tries again after this long.
RETRY_SECONDS = 0.02
_JOIN_SECONDS = 60


def rounds(embedded: int) -> int:
    """How often to kill. The distributed profile starts slower and shares most code, so it gets fewer."""
    return 2 if is_distributed() else embedded


class Load:
    """Client threads that run until the test ends them, and the moments at which a kill hurts most."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        # Clients set it when a request is under way, so that a kill can fall between request and answer.
        self.under_way = threading.Event()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def add(self, run: Callable[[], None]) -> None:
        """Run `run` in a thread; it returns soon after `is_over` is set."""

        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                self._errors.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self) -> None:
        """Let every client finish what it has begun; raises what went wrong in one of them."""
        self.is_over.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        if self._errors:
            raise self._errors[0]
        assert not any(thread.is_alive() for thread in self._threads), "a client did not come to its end"


@contextmanager
def load() -> Iterator[Load]:
    """A load whose threads end with the block, whatever happens in it."""
    running = Load()
    try:
        yield running
    finally:
        running.is_over.set()
    running.finish()


def crash(server: LiveServer, while_down: Callable[[], None] | None = None) -> None:
    """SIGKILL, and a start on the same data."""
    server.kill()
    if while_down is not None:
        while_down()
    if is_distributed():
        # Other workers may be alive there, so a start releases no leases. Instead of waiting, let time pass for them.
        Rows(server).let_leases_run_out()
    server.start()


def crash_repeatedly(
    server: LiveServer,
    running: Load,
    count: int,
    *,
    busy_seconds: tuple[float, float] = (0.3, 1.0),
    aim_seconds: float = 0.01,
    while_down: Callable[[], None] | None = None,
) -> None:
    """Kill `count` times: by turns at any moment, and within `aim_seconds` of a request that was just sent."""
    chance = random.SystemRandom()
    for number in range(count):
        time.sleep(chance.uniform(*busy_seconds))
        if number % 2 == 0:
            running.under_way.clear()
            assert running.under_way.wait(30), "no client sent anything"
            time.sleep(chance.uniform(0, aim_seconds))
        crash(server, while_down)


def wait_until(is_so: Callable[[], bool], what: str, timeout_seconds: float = 60) -> None:
    """Poll until `is_so`; AssertionError naming `what` otherwise."""
    deadline = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < deadline, f"Not within {timeout_seconds} s: {what}"
        time.sleep(0.05)
