"""Runs Django's synchronous handler behind an ASGI server, in a fixed pool of threads that live as long as the process.

Under Django's own ASGI handler every request gets a fresh thread and with it a fresh database connection. Here a
request costs one hand-over to a thread that has its connection already, and one back: the body is complete before a
thread is taken, so a slow sender never holds one, and an ordinary response travels back in one piece. Only streamed
responses (files, exports) are sent chunk by chunk, at the pace of the reader.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import unquote_to_bytes

import structlog

from inkbox_site.processes.quick_reads import QuickReads

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[bytes, bytes]]

# Bodies up to here stay in memory, larger ones go through a temporary file.
SPOOL_BYTES = 1024 * 1024
# Known-length streams (files come in blocks of 4 KiB) are sent in pieces of this size.
CHUNK_BYTES = 64 * 1024
# A sender that stays silent for this long in the middle of a body has gone.
BODY_SILENCE_SECONDS = 60.0
# Requests that may wait for a thread, for each thread; beyond, an early 503 beats a late answer nobody waits for.
WAITING_PER_THREAD = 64

log = structlog.get_logger(__name__)


class ClientGone(Exception):
    """The peer closed the connection before its request was complete, or while its response was being sent."""


class BodyTooLarge(Exception):
    """The body is over the limit of its path."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The largest accepted body, and the exceptions by path prefix (upload targets).

    `permits` says by prefix whether a path may be sent a body at all. One that may not is still read to its end, so
    that its sender sees the refusal of the view and not a broken connection, but nothing of it is kept.
    """

    default_bytes: int
    by_prefix: Mapping[str, int]
    permits: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)

    def for_path(self, path: str) -> int:
        """The limit in bytes."""
        for prefix, limit in self.by_prefix.items():
            if path.startswith(prefix):
                return limit
        return self.default_bytes

    def is_kept(self, path: str) -> bool:
        """Whether the body of a request to this path is wanted."""
        return all(may(path) for prefix, may in self.permits.items() if path.startswith(prefix))


@dataclass(frozen=True, slots=True)
class Complete:
    """A response that needs no more work: status, headers and all of its body."""

    status: int
    headers: Headers
    body: bytes


class WsgiBridge:
    """An ASGI application for the `http` scope. `threads` requests run at a time, the others wait in order."""

    def __init__(
        self, app: WsgiApp, *, threads: int, limits: BodyLimits, quick_reads: QuickReads | None = None
    ) -> None:
        self._app = app
        self._quick_reads = quick_reads
        self._limits = limits
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="web")
        self._most_waiting = threads * (WAITING_PER_THREAD + 1)
        self._running = 0

    def close(self) -> None:
        """Let the threads end once they are idle."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            path = scope["path"]
            body, length = await read_body(
                scope, receive, self._limits.for_path(path), is_kept=self._limits.is_kept(path)
            )
        except ClientGone:
            return
        except BodyTooLarge:
            await send_complete(send, _refusal(413, "The request body is too large."))
            return
        except TimeoutError:
            await send_complete(send, _refusal(408, "The request body did not arrive. Send it again."))
            return
        try:
            if self._running >= self._most_waiting:
                await send_complete(send, _refusal(503, "The server is busy. Try again in a second.", retry_after=1))
                return
            self._running += 1
            try:
                await self._answer(build_environ(scope, body, length), receive, send)
            finally:
                self._running -= 1
        finally:
            body.close()

    async def _answer(self, environ: Environ, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        quick = self._answer_quickly(environ, loop, send)
        if quick is not None:
            await send_complete(send, quick)
            return
        exchange = Exchange(self._app, environ, loop, send)
        # A copy of the context for each request: what one binds (log fields) must not reach the next on its thread.
        context = contextvars.copy_context()
        work = loop.run_in_executor(self._pool, context.run, exchange.run)
        exchange.on_stream = lambda: loop.create_task(_watch_for_disconnect(receive, exchange))
        try:
            complete = await work
        finally:
            # Also when this task is cancelled: a thread in the middle of a stream must come back.
            exchange.is_abandoned = True
            if exchange.watcher is not None:
                exchange.watcher.cancel()
        if complete is not None:
            await send_complete(send, complete)

    def _answer_quickly(self, environ: Environ, loop: asyncio.AbstractEventLoop, send: Send) -> Complete | None:
        """The answer to a short read, found right here; None for everything else."""
        lane = self._quick_reads
        if lane is None or not lane.takes(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
            return None
        exchange = Exchange(self._app, dict(environ), loop, send)
        context = contextvars.copy_context()
        return lane.run(lambda: context.run(exchange.run_quickly))


async def _watch_for_disconnect(receive: Receive, exchange: Exchange) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.is_abandoned = True


class Exchange:
    """One request and its response; `run` is called in a pool thread, everything else on the event loop."""

    def __init__(self, app: WsgiApp, environ: Environ, loop: asyncio.AbstractEventLoop, send: Send) -> None:
        self.is_abandoned = False
        self.watcher: asyncio.Task[None] | None = None
        self.on_stream: Callable[[], asyncio.Task[None]] | None = None
        self._app = app
        self._environ = environ
        self._loop = loop
        self._send = send
        self._status = 500
        self._headers: Headers = []

    def run_quickly(self) -> Complete | None:
        """The response when it is complete; None when it would have to be streamed."""
        result = self._app(self._environ, self._start_response)
        try:
            return None if getattr(result, "streaming", True) else self._complete(result)
        finally:
            _end(result)

    def run(self) -> Complete | None:
        """The response when it is complete; None when it was streamed from here."""
        try:
            result = self._app(self._environ, self._start_response)
        except Exception:
            # Django answers its own failures; this is a failure of the handler itself.
            log.exception("web.handler_failed")
            return _refusal(500, "Internal server error")
        try:
            if getattr(result, "streaming", True):
                return self._stream(result)
            return self._complete(result)
        except ClientGone:
            return None
        finally:
            _end(result)

    def _complete(self, result: Iterable[bytes]) -> Complete:
        return Complete(self._status, self._headers, b"".join(result))

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        self._status = int(status[:3])
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return _refuse_write

    def _stream(self, chunks: Iterable[bytes]) -> Complete | None:
        has_length = any(name == b"content-length" for name, _ in self._headers)
        pieces = _joined(chunks, CHUNK_BYTES) if has_length else iter(chunks)
        first = next(pieces, b"")
        second = next(pieces, None) if has_length else b""
        if second is None or self._environ["REQUEST_METHOD"] == "HEAD":
            return Complete(self._status, self._headers, first)
        self._loop.call_soon_threadsafe(self._start_watching)
        self._wait(self._send({"type": "http.response.start", "status": self._status, "headers": self._headers}))
        for piece in (first, second):
            self._send_piece(piece)
        for piece in pieces:
            self._send_piece(piece)
        self._wait(self._send({"type": "http.response.body", "body": b""}))
        return None

    def _start_watching(self) -> None:
        if self.on_stream is not None and not self.is_abandoned:
            self.watcher = self.on_stream()

    def _send_piece(self, piece: bytes) -> None:
        if piece:
            self._wait(self._send({"type": "http.response.body", "body": piece, "more_body": True}))

    def _wait(self, sending: Coroutine[Any, Any, None]) -> None:
        """Until the server has taken the piece: a slow reader slows the producer instead of filling memory."""
        if self.is_abandoned or self._loop.is_closed():
            sending.close()
            raise ClientGone
        future = asyncio.run_coroutine_threadsafe(sending, self._loop)
        while True:
            try:
                future.result(timeout=1)
            except TimeoutError:
                if future.done():
                    raise
                if self.is_abandoned or self._loop.is_closed():
                    future.cancel()
                    raise ClientGone from None
            else:
                return


def _end(result: Any) -> None:
    """Ends the request for Django: signals, temporary files, expired database connections."""
    if (close := getattr(result, "close", None)) is not None:
        close()


def _refuse_write(_: bytes) -> None:
    raise RuntimeError("The write() callable of WSGI is not supported; return an iterable.")


def _joined(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    pending: list[bytes] = []
    pending_bytes = 0
    for chunk in chunks:
        pending.append(chunk)
        pending_bytes += len(chunk)
        if pending_bytes >= size:
            yield b"".join(pending)
            pending, pending_bytes = [], 0
    if pending:
        yield b"".join(pending)


async def read_body(scope: Scope, receive: Receive, limit: int, *, is_kept: bool = True) -> tuple[IO[bytes], int]:
    """The whole body as a file at its start, and its length. Raises BodyTooLarge, ClientGone, TimeoutError.

    With `is_kept=False` it is read and thrown away.
    """
    announced = _announced_bytes(scope["headers"])
    if announced == 0:
        return io.BytesIO(), 0
    if announced is not None and announced > limit:
        # Before the first receive, so that a client that asked `Expect: 100-continue` sends nothing.
        raise BodyTooLarge
    spool = _Spool(limit, is_kept=is_kept)
    try:
        more = True
        while more:
            async with asyncio.timeout(BODY_SILENCE_SECONDS):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            spool.add(message.get("body", b""))
            more = message.get("more_body", False)
    except BaseException:
        spool.discard()
        raise
    return spool.finish(), spool.total if is_kept else 0


def _announced_bytes(headers: Headers) -> int | None:
    """What the headers say about the length of the body; None when it is sent in chunks. No header means no body."""
    announced: int | None = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            announced = int(value)
    return announced


class _Spool:
    """Collects a body: the beginning in memory, what is larger in a temporary file."""

    def __init__(self, limit: int, *, is_kept: bool) -> None:
        self.total = 0
        self._limit = limit
        self._is_kept = is_kept
        self._parts: list[bytes] = []
        self._file: IO[bytes] | None = None

    def add(self, part: bytes) -> None:
        self.total += len(part)
        if self.total > self._limit:
            raise BodyTooLarge
        if not self._is_kept:
            return
        self._parts.append(part)
        if self.total > SPOOL_BYTES:
            # A part is at most one socket buffer; writing that to the page cache does not hold up the loop.
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  (closed by the owner of the request)
            self._file.write(b"".join(self._parts))
            self._parts.clear()

    def finish(self) -> IO[bytes]:
        if self._file is None:
            return io.BytesIO(b"".join(self._parts))
        self._file.seek(0)
        return self._file

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()


def build_environ(scope: Scope, body: IO[bytes], length: int) -> Environ:
    """The WSGI environment (PEP 3333) of an ASGI http scope."""
    # The raw path keeps bytes that are not UTF-8; WSGI wants bytes as latin-1 text.
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw) if raw is not None else scope["path"].encode()
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": client[0] if client else "",
        "REMOTE_PORT": str(client[1]) if client else "",
        "CONTENT_LENGTH": str(length) if length else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        # `X_Real_Name` would overwrite `X-Real-Name` in this naming, so such headers are dropped, as proxies do.
        if b"_" in raw_name or raw_name == b"content-length":
            continue
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        key = "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"
        if key in environ:
            environ[key] += f"{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        else:
            environ[key] = value
    return environ


async def send_complete(send: Send, response: Complete) -> None:
    """Send a response whose body is known."""
    headers = response.headers
    if response.status in (204, 304) or response.status < 200:
        # RFC 9110 section 8.6: no Content-Length with 204; with 304 it would be that of another response.
        headers = [pair for pair in headers if pair[0] != b"content-length"]
    elif not any(name == b"content-length" for name, _ in headers):
        headers = [*headers, (b"content-length", str(len(response.body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _refusal(status: int, message: str, *, retry_after: int | None = None) -> Complete:
    headers: Headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    return Complete(status, headers, b'{"detail":"%s"}' % message.encode())
