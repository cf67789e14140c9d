"""The ASGI applications of the live readers, for inkbox_site/asgi.py to wire in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from common.api.context import SEED_PREFIX
from webhooks.live.door import Door, Receive, Scope, Send
from webhooks.live.http import answer_poll, answer_stream
from webhooks.live.pages import PageStream, answer_page
from webhooks.live.socket import answer_socket

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_EVENTS = "/api/v1/events"
_STREAM = f"{_EVENTS}/stream"
SOCKET_PATTERN = rf"^/?(?:{SEED_PREFIX.lstrip('/')}/)?api/v1/events/socket/?$"


class LiveReaders:
    """Takes the reads that wait out of the stream of requests; everything else goes to `http`.

    `pages`: the streams of pages of other apps, by path.
    """

    def __init__(self, http: AsgiApp, pages: Mapping[str, PageStream] | None = None) -> None:
        self._http = http
        self._pages = dict(pages or {})
        self._door = Door()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application for the `http` scope."""
        path = scope["path"].removeprefix(SEED_PREFIX).rstrip("/")
        if scope["method"] == "GET" and path == _STREAM:
            await answer_stream(self._door, scope, receive, send)
        elif scope["method"] == "GET" and path == _EVENTS and b"wait=" in scope["query_string"]:
            await answer_poll(self._door, scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in self._pages:
            await answer_page(self._door, self._pages[scope["path"]], scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application for the `websocket` scope, at SOCKET_PATTERN."""
        await answer_socket(self._door, scope, receive, send)

    def close(self) -> None:
        """End all readers. From any thread."""
        self._door.close()
