"""The event log over a WebSocket: the same events in the same order, one JSON object to a message."""

from __future__ import annotations

import asyncio
from functools import partial

import orjson
import structlog

from webhooks.api.events import Opened
from webhooks.live.door import SEND_SECONDS, Door, Receive, Refusal, Scope, Send
from webhooks.live.http import follow, or_gone
from webhooks.reading import EventsExpired

log = structlog.get_logger(__name__)

# Close codes: RFC 6455 section 7.4 and the IANA registry; 4xxx are ours, the HTTP status that fits.
_STOPPING = 1012
_FAILED = 1011


async def answer_socket(door: Door, scope: Scope, receive: Receive, send: Send) -> None:
    """`WS /api/v1/events/socket`. What the client sends is not read; it goes on with `after` when it comes back."""
    await receive()  # websocket.connect
    try:
        opened = await door.open_stream(scope)
        with door.place(opened.caller):
            await send({"type": "websocket.accept"})
            code = await or_gone(_talk(door, scope, opened, send), receive)
            if code is not None:
                await send({"type": "websocket.close", "code": code})
    except Refusal as refused:
        await _deny(scope, send, refused)


async def _talk(door: Door, scope: Scope, opened: Opened, send: Send) -> int:
    """Send until there is a reason to stop; the close code."""

    async def write(body: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "websocket.send", "text": body.decode()})

    try:
        await write(orjson.dumps({"type": "ready", "after": opened.after}))
        with door.hub.watch(opened.scope, opened.after) as waiter:
            async for item in follow(door, partial(door.open_stream, scope), opened, waiter):
                if isinstance(item, EventsExpired):
                    gap = {
                        "type": "gap",
                        "reason": "retention",
                        "after": item.after,
                        "resumed_after": item.resume_after,
                    }
                    await write(orjson.dumps(gap))
                elif isinstance(item, int):
                    await write(orjson.dumps({"type": "position", "after": item}))
                else:
                    for event in item:
                        await write(b'{"type":"event","event":%s}' % event.body)
    except Refusal as refused:
        return 4000 + refused.status
    except Exception:
        log.exception("events.socket_failed")
        return _FAILED
    return _STOPPING


async def _deny(scope: Scope, send: Send, refused: Refusal) -> None:
    """Before the handshake: the API's own error where the server can send one, else a bare 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4000 + refused.status})
        return
    length = (b"content-length", str(len(refused.body)).encode())
    await send(
        {"type": "websocket.http.response.start", "status": refused.status, "headers": [*refused.headers, length]}
    )
    await send({"type": "websocket.http.response.body", "body": refused.body})
