"""Sends webhooks: one asyncio loop in one thread per process, woken by `wake()` after a commit.

The thread never touches the database; a second one does, so that a slow query delays no request and a slow receiver no
query. It works alike in the embedded worker and in every process of a Celery worker: rows are leased, not owned.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, close_old_connections, connection

from common.clock import now
from common.http import Caller
from webhooks import limits
from webhooks.retry import is_success
from webhooks.sender import send
from webhooks.services import dispatches
from webhooks.services.dispatches import Claim
from webhooks.services.jobs import Job, Outcome

log = structlog.get_logger(__name__)
T = TypeVar("T")

_MAX_SLEEP_SECONDS = 30.0
_MIN_SLEEP_SECONDS = 0.05
# After a failed query: long enough not to hammer a database that is away, short enough to be back at once.
_ERROR_SLEEP_SECONDS = 1.0
# Outcomes are recorded together when they come close to each other; new events never wait for this.
_SETTLE_SECONDS = 0.01
_SETTLE_AT_ONCE = 64
# A receiver this quick may have rows leased ahead, for as long as it stays busy.
_QUICK_MS = 500
_LANE_SECONDS = 5.0
# The end of the time to stop, in which attempts that hang are cut off and their rows given back.
_CANCEL_SECONDS = 1.0


class _ShuttingDown(Exception):
    """The interpreter is exiting and has stopped the database thread."""


@dataclass(slots=True)
class _Lane:
    """The state of one subscription in this process."""

    in_flight: int = 0
    waiting: deque[tuple[float, Job]] = field(default_factory=deque)
    # How many rows may be leased at a time: grows with quick successes, falls back with anything else.
    window: int = limits.NEW_LANE_ROOM
    used_at: float = field(default_factory=time.monotonic)

    @property
    def room(self) -> int:
        return self.window - self.in_flight - len(self.waiting)

    @property
    def is_busy(self) -> bool:
        return bool(self.in_flight or self.waiting)

    @property
    def is_proven(self) -> bool:
        """Its last answer was a success."""
        return self.window > limits.NEW_LANE_ROOM

    @property
    def has_place(self) -> bool:
        """Whether another request may start beside those under way."""
        return self.in_flight < min(self.window, limits.MAX_IN_FLIGHT_PER_SUBSCRIPTION)

    def is_forgotten(self, before: float) -> bool:
        return not self.is_busy and self.used_at < before

    def adapt(self, outcome: Outcome) -> None:
        """Double the window up to its limit while successes are quick; after a failure begin with one request again."""
        self.used_at = time.monotonic()
        side_by_side = limits.MAX_IN_FLIGHT_PER_SUBSCRIPTION
        if not is_success(outcome.status):
            self.window = limits.NEW_LANE_ROOM
        elif outcome.duration_ms < _QUICK_MS:
            self.window = min(max(self.window * 2, side_by_side), limits.MAX_LEASED_PER_SUBSCRIPTION)
        else:
            self.window = side_by_side


class Dispatcher:
    """The engine. `start` once, `wake` from any thread, `stop` before the process ends."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._is_stopping = False
        self._lanes: dict[UUID, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Requests that have had no answer for limits.SLOW_SECONDS.
        self._slow_count = 0
        self._done: list[Outcome] = []
        # Leased and not sent: given back with the next visit to the database.
        self._unsent: list[Job] = []
        self._ready = threading.Event()
        self._database = ThreadPoolExecutor(1, thread_name_prefix="webhooks-database")
        self._thread = threading.Thread(target=self._main, name="webhooks", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Started, and neither stopped nor failed."""
        return self._thread.is_alive() and not self._is_stopping

    def start(self) -> None:
        """Start the threads; what is due is sent at once."""
        self._thread.start()
        self._ready.wait()

    def wake(self) -> None:
        """Look for new rows now. From any thread; cheap and safe to repeat."""
        self._call(self._wake_urgently)

    def forget(self, subscription_ids: Iterable[UUID]) -> None:
        """Drop what is leased for subscriptions that are gone. From any thread."""
        ids = list(subscription_ids)
        self._call(lambda: self._drop_waiting(ids))

    def stop(self, timeout: float) -> None:
        """Send nothing new, let running attempts end, record them, give back the rest, all within `timeout` seconds."""
        if not self._thread.is_alive():
            return
        self._is_stopping = True
        self._call(self._wake_urgently)
        self._thread.join(max(0.0, timeout - _CANCEL_SECONDS))
        if self._thread.is_alive():
            self._call(self._cancel_tasks)
            self._thread.join(min(timeout, _CANCEL_SECONDS))
        self._database.shutdown(wait=False)

    def _call(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None:
            return
        # When the loop has just ended, a sweep or the next process finds the rows.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(function)

    def _wake_urgently(self) -> None:
        self._urgent.set()
        self._changed.set()

    def _drop_waiting(self, ids: Iterable[UUID]) -> None:
        for key in ids:
            if key in self._lanes:
                self._lanes[key].waiting.clear()

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception:
            log.exception("webhooks.dispatcher_failed")
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        caller = Caller(allow_private=settings.WEBHOOK_ALLOW_PRIVATE)
        self._ready.set()
        try:
            while not self._is_stopping:
                await self._turn(caller)
            await self._finish()
            await self._query(_close_connection)
        except _ShuttingDown:
            pass
        finally:
            caller.close()

    async def _turn(self, caller: Caller) -> None:
        """Record what ended, lease what is due, start it, sleep until there is something to do."""
        self._changed.clear()
        self._urgent.clear()
        outcomes, self._done = self._done, []
        unsent, self._unsent = self._unsent, []
        self._drop_idle_lanes()
        rooms = {key: lane.room for key, lane in self._lanes.items()}
        busy = {key for key, lane in self._lanes.items() if lane.is_busy}
        leased = self._quick_count + sum(len(lane.waiting) for lane in self._lanes.values())
        limit = 0 if self._is_full else limits.MAX_LEASED - leased
        try:
            claim = await self._query(lambda: _cycle(outcomes, unsent, limit, rooms, busy))
        except _ShuttingDown:
            raise
        except Exception:
            log.exception("webhooks.database_failed")
            self._done = [*outcomes, *self._done]
            self._unsent = [*unsent, *self._unsent]
            await asyncio.sleep(_ERROR_SLEEP_SECONDS)
            return
        taken_at = time.monotonic()
        for job in claim.jobs:
            self._lanes.setdefault(job.subscription_id, _Lane()).waiting.append((taken_at, job))
        self._start_waiting(caller, self._lanes.values())
        if not claim.jobs:
            caller.prune()
            await self._sleep(claim)

    async def _sleep(self, claim: Claim) -> None:
        seconds = _MAX_SLEEP_SECONDS
        if claim.next_due_at is not None:
            seconds = min(seconds, max(_MIN_SLEEP_SECONDS, (claim.next_due_at - now()).total_seconds()))
        await _wait(self._changed, seconds)
        if self._done and len(self._done) < _SETTLE_AT_ONCE:
            await _wait(self._urgent, _SETTLE_SECONDS)

    async def _finish(self) -> None:
        """Wait for running attempts, record them, give back what was not started."""
        waiting = [job for lane in self._lanes.values() for _, job in lane.waiting]
        self._lanes.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)
        outcomes, unsent = self._done, [*self._unsent, *waiting]
        try:
            await self._query(lambda: _settle(outcomes, unsent))
        except _ShuttingDown:
            raise
        except Exception:
            log.exception("webhooks.database_failed")

    def _drop_idle_lanes(self) -> None:
        before = time.monotonic() - _LANE_SECONDS
        for key in [key for key, lane in self._lanes.items() if lane.is_forgotten(before)]:
            del self._lanes[key]

    def _start_waiting(self, caller: Caller, lanes: Iterable[_Lane]) -> None:
        """Start what has a free place, in the order of the claim."""
        if self._is_stopping:
            return
        oldest = time.monotonic() - limits.MAX_AHEAD_SECONDS
        for lane in lanes:
            while lane.waiting and lane.has_place and self._admits(lane):
                if self._is_full:
                    return
                taken_at, job = lane.waiting.popleft()
                if taken_at < oldest:
                    self._unsent.append(job)
                    self._changed.set()
                else:
                    self._start_job(caller, lane, job)

    @property
    def _quick_count(self) -> int:
        return len(self._tasks) - self._slow_count

    @property
    def _is_full(self) -> bool:
        return self._quick_count >= limits.MAX_IN_FLIGHT or len(self._tasks) >= limits.MAX_IN_FLIGHT + limits.MAX_SLOW

    def _admits(self, lane: _Lane) -> bool:
        """With many requests that hang, only receivers that are known to answer get more."""
        return self._slow_count < limits.MAX_SLOW or lane.is_proven

    def _start_job(self, caller: Caller, lane: _Lane, job: Job) -> None:
        lane.in_flight += 1
        task = asyncio.get_running_loop().create_task(self._attempt(caller, lane, job))
        self._tasks.add(task)

    async def _attempt(self, caller: Caller, lane: _Lane, job: Job) -> None:
        slow: list[_Lane] = []
        timer = asyncio.get_running_loop().call_later(limits.SLOW_SECONDS, self._note_slow, caller, lane, slow)
        try:
            outcome = await send(caller, job)
            lane.adapt(outcome)
            self._done.append(outcome)
        except asyncio.CancelledError:
            # Stopped half-way. The receiver may have it already; it knows the request id when it comes again.
            self._unsent.append(job)
        except Exception:
            # Nothing a receiver does ends here; the lease runs out and the row is tried again.
            log.exception("webhooks.attempt_failed", event_id=job.event_id)
        finally:
            timer.cancel()
            lane.in_flight -= 1
            were_slots_full = self._is_full or self._slow_count >= limits.MAX_SLOW
            self._slow_count -= len(slow)
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            self._changed.set()
        self._start_waiting(caller, list(self._lanes.values()) if were_slots_full else [lane])

    def _note_slow(self, caller: Caller, lane: _Lane, slow: list[_Lane]) -> None:
        """A request has no answer yet: from now on it takes no place from others, and nothing is leased behind it."""
        were_slots_full = self._is_full
        slow.append(lane)
        self._slow_count += 1
        lane.window = min(lane.window, limits.MAX_IN_FLIGHT_PER_SUBSCRIPTION)
        if were_slots_full:
            self._changed.set()
            self._start_waiting(caller, list(self._lanes.values()))

    async def _query(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._database, work)
        except RuntimeError:
            raise _ShuttingDown from None
        return await future


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _close_connection() -> None:
    # Looked up here, not passed in: every thread has a connection of its own.
    connection.close()


def _cycle(
    outcomes: Sequence[Outcome], unsent: Sequence[Job], limit: int, rooms: dict[UUID, int], busy: set[UUID]
) -> Claim:
    """One visit to the database."""
    close_old_connections()
    _settle(outcomes, unsent)
    return dispatches.claim_due(limit, rooms, busy) if limit > 0 else Claim([], None)


def _settle(outcomes: Sequence[Outcome], unsent: Sequence[Job]) -> None:
    try:
        dispatches.record_outcomes(outcomes)
    except (IntegrityError, DataError):
        # One bad row (its organization was just deleted) must not take the others with it.
        for outcome in outcomes:
            try:
                dispatches.record_outcomes([outcome])
            except (IntegrityError, DataError) as error:
                log.warning("webhooks.outcome_lost", event_id=outcome.job.event_id, error=type(error).__name__)
    dispatches.release_jobs(unsent)


async def send_all(jobs: Sequence[Job]) -> list[Outcome]:
    """Send jobs side by side with a caller of their own."""
    caller = Caller(allow_private=settings.WEBHOOK_ALLOW_PRIVATE)
    try:
        return await asyncio.gather(*(send(caller, job) for job in jobs))
    finally:
        caller.close()


def deliver_due() -> int:
    """Send everything that is due now from the calling thread and return the number of attempts: for commands and
    tests, where no dispatcher runs."""
    count = 0
    while jobs := dispatches.claim_due(limits.MAX_IN_FLIGHT, {}).jobs:
        dispatches.record_outcomes(asyncio.run(send_all(jobs)))
        count += len(jobs)
    return count


_lock = threading.Lock()
# By process id: a fork inherits the entry of its parent, but not the threads behind it.
_running: dict[int, Dispatcher] = {}


def wake() -> None:
    """Wake this process's dispatcher, starting it when there is none."""
    process = os.getpid()
    dispatcher = _running.get(process)
    if dispatcher is not None and dispatcher.is_alive:
        dispatcher.wake()
        return
    with _lock:
        dispatcher = _running.get(process)
        if dispatcher is None or not dispatcher.is_alive:
            _running[process] = dispatcher = Dispatcher()
            dispatcher.start()  # looks at the queue first thing


def forget(subscription_ids: Iterable[UUID]) -> None:
    """Make this process drop at once what it holds for deleted subscriptions."""
    dispatcher = _running.get(os.getpid())
    if dispatcher is not None:
        dispatcher.forget(subscription_ids)


def stop(timeout: float) -> None:
    """Stop this process's dispatcher, if one runs. What it has not sent stays in the queue."""
    with _lock:
        dispatcher = _running.pop(os.getpid(), None)
    if dispatcher is not None:
        dispatcher.stop(timeout)
