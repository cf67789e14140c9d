"""Between ASGI and Django: open a reader as the API would, run database work in threads of its own, answer errors."""

from __future__ import annotations

import asyncio
import contextvars
import secrets
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import orjson
import structlog
from django.db import close_old_connections, connection
from django.http import HttpRequest, QueryDict

from common.api.errors import error_body
from common.errors import DomainError, NotReady, RateLimited
from webhooks import limits
from webhooks.api.events import EventViewSet, Opened
from webhooks.live.hub import Hub

log = structlog.get_logger(__name__)
T = TypeVar("T")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Headers = list[tuple[bytes, bytes]]

# Few: a read takes a fraction of a millisecond, and each thread keeps a database connection.
_THREADS = 4
_CLOSE_SECONDS = 2.0
# A peer that takes nothing for so long has gone.
SEND_SECONDS = 30.0

_open_poll = EventViewSet.as_view({"get": "open_poll"})
_open_stream = EventViewSet.as_view({"get": "open_stream"})


class Refusal(Exception):
    """What is answered instead of a reader."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


class Door:
    """The readers of this process: their threads, their hub, and how many there are."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="events")
        self._hub: Hub | None = None
        self._counts: Counter[str] = Counter()

    @property
    def hub(self) -> Hub:
        """Made by the first reader, because it belongs to the running loop."""
        if self._hub is None:
            self._hub = Hub(self.run)
        return self._hub

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call `work` in a thread that has a database connection."""
        call = partial(contextvars.copy_context().run, _with_connection, work, *arguments)
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        except RuntimeError:  # the threads have ended
            raise _stopping() from None
        return await future

    async def open_poll(self, scope: Scope) -> Opened:
        """Who may read what, as the API answers it. Raises Refusal."""
        return await self._open(_open_poll, scope)

    async def open_stream(self, scope: Scope) -> Opened:
        """The same for a stream or socket."""
        return await self._open(_open_stream, scope)

    async def open_page(self, opener: Callable[[HttpRequest], Opened], scope: Scope) -> Opened:
        """The same for a page of a signed-in person, by rules that the page's app brings along. Raises Refusal."""
        try:
            return await self.run(opener, _django_request(scope))
        except Refusal:
            raise
        except DomainError as error:
            raise refusal(error) from None
        except Exception:
            log.exception("events.open_failed")
            raise _failed() from None

    async def _open(self, view: Callable[..., Any], scope: Scope) -> Opened:
        try:
            response = await self.run(view, _django_request(scope))
        except Refusal:
            raise
        except Exception:
            log.exception("events.open_failed")
            raise _failed() from None
        if isinstance(response.data, Opened):
            return response.data
        extra = [(name.lower().encode(), str(value).encode()) for name, value in response.headers.items()]
        kept = [pair for pair in extra if pair[0] in (b"retry-after", b"www-authenticate")]
        raise Refusal(
            response.status_code, [*_headers(b"application/json"), *kept], orjson.dumps(response.data, default=str)
        )

    @contextmanager
    def place(self, caller: str, most: int | None = None) -> Iterator[None]:
        """Count a reader for the time of the block; `most` of one caller. Raises Refusal when there are too many."""
        if self.hub.is_closing:
            raise _stopping()
        most = limits.LIVE_READERS_PER_CALLER if most is None else most
        if self._counts[caller] >= most or self._counts.total() >= limits.LIVE_READERS:
            text = f"More than {most} readers are open with this credential. Close some."
            raise refusal(RateLimited(text, retry_after=5))
        self._counts[caller] += 1
        try:
            yield
        finally:
            self._counts[caller] -= 1
            if not self._counts[caller]:
                del self._counts[caller]

    def close(self) -> None:
        """End every reader, soon, and close the connections of the threads. From any thread."""
        if self._hub is not None:
            self._hub.close()
        # Each of the threads comes to the barrier once, and so each of them closes its own connection.
        barrier = threading.Barrier(_THREADS)
        with suppress(RuntimeError):
            for _ in range(_THREADS):
                self._pool.submit(_close_connection, barrier)
        self._pool.shutdown(wait=False)


def _with_connection(work: Callable[..., T], *arguments: Any) -> T:
    close_old_connections()
    return work(*arguments)


def _close_connection(barrier: threading.Barrier) -> None:
    with suppress(threading.BrokenBarrierError):
        barrier.wait(_CLOSE_SECONDS)
    connection.close()


def refusal(error: DomainError) -> Refusal:
    """An error as the API would answer it."""
    headers = _headers(b"application/json")
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    return Refusal(error.status, headers, orjson.dumps(error_body(error.detail)))


def _failed() -> Refusal:
    return Refusal(500, _headers(b"application/json"), orjson.dumps(error_body("Internal server error")))


def _stopping() -> Refusal:
    return refusal(NotReady("The server is stopping. Try again.", retry_after=1))


def _django_request(scope: Scope) -> HttpRequest:
    request = HttpRequest()
    request.method = "GET"
    request.path = request.path_info = scope["path"]
    request.GET = QueryDict(scope.get("query_string", b""))
    client = scope.get("client")
    meta = {"REMOTE_ADDR": client[0] if client else "", "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
    for raw_name, raw_value in scope["headers"]:
        # As in the WSGI bridge: a name with an underscore would pass for another header.
        if b"_" in raw_name:
            continue
        key = f"HTTP_{raw_name.decode('latin-1').upper().replace('-', '_')}"
        value = raw_value.decode("latin-1")
        meta[key] = f"{meta[key]},{value}" if key in meta else value
    request.META = meta
    return request


def _headers(content_type: bytes) -> Headers:
    return [
        (b"content-type", content_type),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", f"req_{secrets.token_hex(8)}".encode()),
    ]


json_headers = partial(_headers, b"application/json")
stream_headers = partial(_headers, b"text/event-stream; charset=utf-8")
