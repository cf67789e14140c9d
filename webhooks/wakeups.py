"""Tell the readers of the event log that there is something new.

Readers live on event loops: in this process, or with Redis in any other, which hear of it on one channel. A wake-up
may be lost; readers look for themselves every few seconds (webhooks/live/hub.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from uuid import UUID

import orjson
import redis
import structlog
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

# Organization -> the streams (identities, mostly) that have something new. None: something that is no event.
News = Mapping[str, frozenset[UUID]]
Listener = Callable[[News], None]

CHANNEL = "inkbox:events"
_TIMEOUT_SECONDS = 0.25
# After a failure nobody waits for Redis again for a moment: this runs in the request that caused the event.
_PAUSE_SECONDS = 2.0

_listeners: list[Listener] = []
_paused_until = 0.0


def listen(listener: Listener) -> None:
    """Call `listener` in the thread that committed; it must only pass the news on to its loop."""
    _listeners.append(listener)


def unlisten(listener: Listener) -> None:
    """Stop calling it."""
    if listener in _listeners:
        _listeners.remove(listener)


def wake_readers(rows: Iterable[tuple[str, UUID]]) -> None:
    """After the current transaction commits, wake the readers of these (organization, stream) pairs. Never raises."""
    news: dict[str, set[UUID]] = {}
    for organization, stream in rows:
        news.setdefault(organization, set()).add(stream)
    frozen = {organization: frozenset(streams) for organization, streams in news.items()}
    transaction.on_commit(partial(_send, frozen))


def wake_organization(organization_id: str) -> None:
    """The same for who reads a whole organization, without an event: pages show more than the log says."""
    transaction.on_commit(partial(_send, {organization_id: frozenset()}))


def _send(news: News) -> None:
    if not (settings.REDIS_URL and _publish(news)):
        tell_listeners(news)


def tell_listeners(news: News) -> None:
    """Pass news on inside this process."""
    for listener in _listeners:
        listener(news)


def encode(news: News) -> bytes:
    """As it travels through Redis."""
    return orjson.dumps({organization: list(streams) for organization, streams in news.items()})


def decode(payload: bytes) -> News:
    """The other way. Raises for what `encode` did not make."""
    found = orjson.loads(payload)
    return {organization: frozenset(UUID(stream) for stream in streams) for organization, streams in found.items()}


@lru_cache(maxsize=1)
def _client(url: str) -> redis.Redis:
    # One more try at once, for a connection that was closed while idle; the library's own would wait for seconds.
    return redis.Redis.from_url(
        url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )


def _publish(news: News) -> bool:
    """Whether Redis took it; from there every process gets it, this one too."""
    global _paused_until  # noqa: PLW0603  (a race between threads costs one attempt more)
    if time.monotonic() < _paused_until:
        return False
    try:
        _client(settings.REDIS_URL).publish(CHANNEL, encode(news))
    except redis.RedisError as error:
        _paused_until = time.monotonic() + _PAUSE_SECONDS
        log.warning("webhooks.wakeup_lost", error=type(error).__name__)
        return False
    return True
