"""An HTTP endpoint for tests that watch what a server delivers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

# A hanging answer gives up by itself, so that a forgotten release cannot block a test run.
HANG_SECONDS = 60


@dataclass(frozen=True)
class ReceivedRequest:
    """One delivery as it came over the wire; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    received_at: float


@dataclass
class Behavior:
    """How a path answers."""

    status: int = 200
    delay_seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    # Set: the answer is sent only after ``WebhookReceiver.release``.
    gate: threading.Event | None = None


class WebhookReceiver:
    """A threaded server on a loopback port; use it as a context manager.

    Every POST is recorded before it is answered, so a test sees a delivery
    even while its answer hangs.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[ReceivedRequest] = []
        self._behaviors: dict[str, Behavior] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for path in list(self._behaviors):
            self.release(path)
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def behave(
        self,
        path: str = "/hook",
        *,
        status: int = 200,
        delay_seconds: float = 0.0,
        headers: dict[str, str] | None = None,
        hang: bool = False,
    ) -> None:
        """Set how ``path`` answers from now on; other paths answer 200 at once."""
        gate = threading.Event() if hang else None
        self.release(path)
        self._behaviors[path] = Behavior(status, delay_seconds, headers or {}, gate)

    def release(self, path: str = "/hook") -> None:
        """Let the hanging answers of ``path`` go out."""
        behavior = self._behaviors.get(path)
        if behavior is not None and behavior.gate is not None:
            behavior.gate.set()

    def requests(self, path: str | None = None) -> list[ReceivedRequest]:
        """Return what arrived so far, oldest first."""
        with self._changed:
            return [one for one in self._requests if path is None or one.path == path]

    def wait_for(self, count: int, timeout_seconds: float, path: str | None = None) -> list[ReceivedRequest]:
        """Return the first ``count`` or more requests; ``AssertionError`` when they do not come."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while True:
                arrived = [one for one in self._requests if path is None or one.path == path]
                if len(arrived) >= count:
                    return arrived
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{len(arrived)} of {count} requests arrived within {timeout_seconds} s")
                self._changed.wait(left)

    def _receive(self, request: ReceivedRequest) -> Behavior:
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
        return self._behaviors.get(request.path, Behavior())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                behavior = receiver._receive(ReceivedRequest(self.path, headers, body, time.time()))
                time.sleep(behavior.delay_seconds)
                if behavior.gate is not None:
                    behavior.gate.wait(HANG_SECONDS)
                try:
                    self.send_response(behavior.status)
                    for name, value in behavior.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except ConnectionError:
                    # The sender gave up waiting, which is what a delayed answer is for.
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Stay silent; the test asserts on what was recorded."""

        return Handler
