"""The web process's ASGI application behind a real server, with readers of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from channels.routing import ProtocolTypeRouter, URLRouter  # type: ignore[import-untyped]
from django.db import connection
from django.urls import re_path
from websockets.sync.client import ClientConnection, connect

from console.live import PAGE_STREAMS
from inkbox_site.asgi import close_unknown, wsgi_application
from inkbox_site.processes.wsgi_bridge import BodyLimits, WsgiBridge
from webhooks.live.app import SOCKET_PATTERN, LiveReaders


@dataclass
class LiveSite:
    """Where it listens, and its readers."""

    port: int
    readers: LiveReaders

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, key: str | None, **query: Any) -> httpx.Response:
        """One request."""
        headers = {"X-API-Key": key} if key else {}
        return httpx.get(f"{self.url}/api/v1{path}", params=query, headers=headers, trust_env=False, timeout=40)

    @contextmanager
    def stream(self, key: str, last_event_id: int | None = None, **query: Any) -> Iterator[Stream]:
        """An open stream of server-sent events."""
        with self.stream_at("/api/v1/events/stream", {"X-API-Key": key}, last_event_id, **query) as stream:
            yield stream

    @contextmanager
    def stream_at(
        self, path: str, headers: dict[str, str], last_event_id: int | None = None, **query: Any
    ) -> Iterator[Stream]:
        """The same at any path."""
        if last_event_id is not None:
            headers = headers | {"Last-Event-ID": str(last_event_id)}
        with (
            httpx.Client(trust_env=False, timeout=20) as client,
            client.stream("GET", f"{self.url}{path}", params=query, headers=headers) as response,
        ):
            assert response.status_code == 200, response.read()
            yield Stream(response)

    def socket(self, key: str | None, query: str = "") -> ClientConnection:
        """An open WebSocket."""
        headers = {"X-API-Key": key} if key else {}
        url = f"ws://127.0.0.1:{self.port}/api/v1/events/socket?{query}"
        return connect(url, additional_headers=headers, proxy=None, open_timeout=10, close_timeout=2)


class Stream:
    """Reads what an EventSource would."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, Any]:
        """The type and data of the next event; StopIteration when the stream has ended."""
        kind, data = "message", ""
        while True:
            line = next(self._lines)
            if line == "" and data:
                return kind, json.loads(data)
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value


def _close_connection() -> None:
    # Looked up here: every thread has a connection of its own.
    connection.close()


@contextmanager
def live_site() -> Iterator[LiveSite]:
    """A server in a thread."""
    # One thread, which closes its connection at the end: the test database is about to be dropped.
    bridge = WsgiBridge(wsgi_application, threads=1, limits=BodyLimits(65536, {}))
    readers = LiveReaders(bridge, PAGE_STREAMS)
    routes = [re_path(SOCKET_PATTERN, readers.socket), re_path(r"", close_unknown)]  # type: ignore[arg-type]
    app = ProtocolTypeRouter({"http": readers, "websocket": URLRouter(routes)})
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield LiveSite(server.servers[0].sockets[0].getsockname()[1], readers)
    finally:
        readers.close()
        server.should_exit = True
        thread.join(10)
        bridge._pool.submit(_close_connection).result(10)
        bridge.close()
