"""Wakes the readers that wait on one event loop.

News come from commits in this process, or through Redis from any; every two seconds one query for all readers finds
what got lost on the way. A reader is only ever told to look: what there is to see, it reads from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis.asyncio
import structlog
from django.conf import settings

from webhooks import wakeups
from webhooks.reading import EventScope, log_positions
from webhooks.wakeups import News

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
_REDIS_PAUSE_SECONDS = 1.0

Run = Callable[..., Awaitable[Any]]


class Waiter:
    """One reader. `position` is how far it has read; it sleeps until there is more."""

    def __init__(self, scope: EventScope, position: int) -> None:
        self.scope = scope
        self.position = position
        self._event = asyncio.Event()

    def wake(self) -> None:
        """There may be something; on the loop's thread."""
        self._event.set()

    def begin(self) -> None:
        """About to read: news from now on are not covered by that read."""
        self._event.clear()

    async def sleep(self, seconds: float) -> None:
        """Until there is something, or the time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)


class Hub:
    """The waiters of one loop. Made and used on that loop; `close` from any thread."""

    def __init__(self, run: Run) -> None:
        self._loop = asyncio.get_running_loop()
        self._run = run
        self._waiters: dict[str, set[Waiter]] = {}
        self.is_closing = False
        wakeups.listen(self._heard)
        self._tasks = [self._loop.create_task(self._poll())]
        if settings.REDIS_URL:
            self._tasks.append(self._loop.create_task(self._follow_redis()))

    @contextmanager
    def watch(self, scope: EventScope, position: int) -> Iterator[Waiter]:
        """A waiter for the time of the block."""
        waiter = Waiter(scope, position)
        self._add(waiter)
        try:
            yield waiter
        finally:
            self._remove(waiter)

    def change_scope(self, waiter: Waiter, scope: EventScope) -> None:
        """The reader is somewhere else now: its identity has moved to another organization."""
        if scope != waiter.scope:
            self._remove(waiter)
            waiter.scope = scope
            self._add(waiter)

    def _add(self, waiter: Waiter) -> None:
        self._waiters.setdefault(waiter.scope.organization_id, set()).add(waiter)

    def _remove(self, waiter: Waiter) -> None:
        key = waiter.scope.organization_id
        self._waiters[key].discard(waiter)
        if not self._waiters[key]:
            del self._waiters[key]

    def close(self) -> None:
        """Let every reader come to its end, and listen no longer."""
        self.is_closing = True
        wakeups.unlisten(self._heard)
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._wake_all()

    def _heard(self, news: News) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake, news)

    def _wake(self, news: News) -> None:
        for organization in news:
            for waiter in self._waiters.get(organization, ()):
                if waiter.scope.concerns(news):
                    waiter.wake()

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._waiters:
                continue
            try:
                positions = await self._run(log_positions, list(self._waiters))
            except Exception as error:
                log.warning("events.poll_failed", error=type(error).__name__)
                continue
            for organization, position in positions.items():
                for waiter in self._waiters.get(organization, ()):
                    if waiter.position < position:
                        waiter.wake()

    async def _follow_redis(self) -> None:
        while True:
            try:
                await self._listen_to_redis()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("events.redis_lost", error=type(error).__name__)
            await asyncio.sleep(_REDIS_PAUSE_SECONDS)

    async def _listen_to_redis(self) -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, health_check_interval=15)
        async with client, client.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(wakeups.CHANNEL)
            # What was published while nobody listened is lost.
            self._wake_all()
            while True:
                message = await subscription.get_message(timeout=30)
                if message is not None:
                    self._wake(wakeups.decode(message["data"]))
