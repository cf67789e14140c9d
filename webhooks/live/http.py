"""Long-poll and server-sent events as ASGI applications: waiting costs a task on the event loop and no thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, TypeVar

import orjson
import structlog

from common.api.errors import error_body
from common.errors import DomainError
from webhooks.api.events import Opened, render_page
from webhooks.live.door import SEND_SECONDS, Door, Headers, Receive, Refusal, Scope, Send, json_headers, stream_headers
from webhooks.live.hub import Waiter
from webhooks.reading import EventPage, EventsExpired, ReadEvent, read_events

log = structlog.get_logger(__name__)

# Proxies close what is silent for a minute; the credential is looked at again at the same pace.
HEARTBEAT_SECONDS = 15.0
# What a browser waits before it connects again.
RETRY_LINE = b"retry: 2000\n\n"
_PIECE_BYTES = 64 * 1024
T = TypeVar("T")
Reopen = Callable[[], Awaitable[Opened]]
Write = Callable[[bytes], Awaitable[None]]


async def answer_poll(door: Door, scope: Scope, receive: Receive, send: Send) -> None:
    """`GET /api/v1/events?wait=`: the page when there is an event, an empty one when the time is over."""
    try:
        opened = await door.open_poll(scope)
        with door.place(opened.caller):
            page = await or_gone(_next_page(door, opened), receive)
    except Refusal as refused:
        await respond(send, refused.status, refused.headers, refused.body)
        return
    except DomainError as error:
        await respond(send, error.status, json_headers(), orjson.dumps(error_body(error.detail)))
        return
    except Exception:
        log.exception("events.poll_failed")
        await respond(send, 500, json_headers(), orjson.dumps(error_body("Internal server error")))
        return
    if page is not None:
        await respond(send, 200, json_headers(), orjson.dumps(render_page(page)))


async def _next_page(door: Door, opened: Opened) -> EventPage:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + opened.wait
    after = opened.after
    with door.hub.watch(opened.scope, after) as waiter:
        while True:
            waiter.begin()
            page: EventPage = await door.run(read_events, opened.scope, after, opened.limit)
            left = deadline - loop.time()
            if page.events or left <= 0:
                return page
            after = waiter.position = page.next_after
            await waiter.sleep(left)
            if door.hub.is_closing:
                return page


async def answer_stream(door: Door, scope: Scope, receive: Receive, send: Send) -> None:
    """`GET /api/v1/events/stream`: events until the peer goes, the credential ends or the server stops."""
    try:
        opened = await door.open_stream(scope)
        with door.place(opened.caller):
            await send_stream(partial(_stream, door, scope, opened), receive, send)
    except Refusal as refused:
        await respond(send, refused.status, refused.headers, refused.body)


async def send_stream(work: Callable[[Write], Coroutine[Any, Any, None]], receive: Receive, send: Send) -> None:
    """Answer with what `work` writes, until it ends or the peer goes."""
    await send({"type": "http.response.start", "status": 200, "headers": _stream_headers()})

    async def write(piece: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    try:
        await or_gone(work(write), receive)
    except Refusal as ended:
        log.info("events.stream_ended", status=ended.status)
    except Exception:
        # Headers are out: end the response, the reader comes back with its Last-Event-ID.
        log.exception("events.stream_failed")
    await send({"type": "http.response.body", "body": b""})


async def _stream(door: Door, scope: Scope, opened: Opened, write: Write) -> None:
    await write(RETRY_LINE + b"id: %d\n\n" % opened.after)
    with door.hub.watch(opened.scope, opened.after) as waiter:
        async for item in follow(door, partial(door.open_stream, scope), opened, waiter):
            if isinstance(item, EventsExpired):
                gap = {"reason": "retention", "after": item.after, "resumed_after": item.resume_after}
                await write(b"id: %d\nevent: gap\ndata: %s\n\n" % (item.resume_after, orjson.dumps(gap)))
            elif isinstance(item, int):
                # An id of its own moves the Last-Event-ID on past events that were filtered out.
                await write(b": alive\nid: %d\n\n" % item)
            else:
                for piece in _pieces(item):
                    await write(piece)


async def follow(
    door: Door, reopen: Reopen, opened: Opened, waiter: Waiter, *, is_for_page: bool = False
) -> AsyncIterator[list[ReadEvent] | EventsExpired | int]:
    """Pages of events, gaps, and at every heartbeat the position, until there is a reason to end.

    `reopen` finds out whether the reader may still read, at every heartbeat. For a page it does so before any events
    too, and the position comes whenever the reader looked and found none: pages show more than events.
    """
    after = opened.after
    loop = asyncio.get_running_loop()
    beat_at = loop.time() + HEARTBEAT_SECONDS
    while not door.hub.is_closing:
        waiter.begin()
        try:
            page: EventPage = await door.run(read_events, waiter.scope, after, opened.limit)
        except EventsExpired as gap:
            yield gap
            after = gap.resume_after
            continue
        after = waiter.position = page.next_after
        if page.events:
            if is_for_page:
                await _look_again(reopen)
            yield page.events
        elif is_for_page and loop.time() < beat_at:
            yield after
        if loop.time() >= beat_at:
            # A revoked key ends its streams; a moved identity reads on where it is now.
            door.hub.change_scope(waiter, (await _look_again(reopen)).scope)
            yield after
            beat_at = loop.time() + HEARTBEAT_SECONDS
        elif not page.has_more:
            await waiter.sleep(beat_at - loop.time())


async def _look_again(reopen: Reopen) -> Opened:
    """The reader as it is now. It is looked at twice before it is sent away: an identity may move during the first."""
    try:
        return await reopen()
    except Refusal:
        return await reopen()


def _pieces(events: Iterable[ReadEvent]) -> Iterable[bytes]:
    piece = bytearray()
    for event in events:
        piece += b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.event_type.encode(), event.body)
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


async def or_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """The result of `work`; None as soon as the peer has gone."""
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, watcher):
            each.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def _stream_headers() -> Headers:
    # nginx would collect a stream before it passes it on.
    return [*stream_headers(), (b"x-accel-buffering", b"no")]


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A complete answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
