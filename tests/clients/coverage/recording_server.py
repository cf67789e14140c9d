"""A tiny HTTP server that writes down what a client asks for.

It answers every request with plausible JSON, so that methods that need an
answer before their next request get that far. It knows nothing about rules.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tests.clients.coverage.dummy_arguments import (
    DOMAIN,
    EMAIL,
    HANDLE,
    NUMBER,
    PART_PREFIX,
)

# A method that polls would go on for ever; past this many requests it gets errors.
REQUESTS_PER_CALL = 25

# (method, path without query) to (status, JSON body)
Answer = Callable[[str, str], tuple[int, Any]]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AUTH_HASH = re.compile(r"[0-9a-f]{64}")
_SLACK_TIMESTAMP = re.compile(r"\d{10}\.\d{6}")


class RecordingServer:
    """Listens on a loopback port while the ``with`` block runs."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._seen: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def start_call(self) -> None:
        """Forget what was recorded so far."""
        with self._lock:
            self._seen.clear()

    def recorded(self) -> list[str]:
        """Return the templated requests since ``start_call``, in order, without repeats."""
        with self._lock:
            return list(dict.fromkeys(self._seen))

    def record(self, method: str, target: str) -> tuple[int, Any]:
        path = urlsplit(target).path
        with self._lock:
            self._seen.append(f"{method} {route_template(path)}")
            too_many = len(self._seen) > REQUESTS_PER_CALL
        if too_many:
            return 410, {"detail": "The recorder has seen enough requests of this call."}
        return self._answer(method, path)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write for headers and body, or each answer waits for a delayed TCP ACK.
            wbufsize = -1

            def _handle(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = recorder.record(self.command, self.path)
                payload = b"" if status == 204 else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None:
                """Stay silent: standard output carries the result."""

        return Handler


def route_template(path: str) -> str:
    """Replace the made-up values of a path by placeholders: ``/x/<uuid>`` to ``/x/{id}``."""
    return "/".join(_segment_template(unquote(segment)) for segment in path.split("/"))


def _segment_template(segment: str) -> str:
    known = {
        EMAIL: "{email}",
        HANDLE: "{handle}",
        NUMBER: "{number}",
        DOMAIN: "{domain}",
    }
    if segment in known:
        return known[segment]
    if segment.startswith(PART_PREFIX):
        return "{" + segment.removeprefix(PART_PREFIX) + "}"
    if segment.isdecimal():
        return "{index}"
    if _AUTH_HASH.fullmatch(segment):
        return "{auth_hash}"
    if _SLACK_TIMESTAMP.fullmatch(segment):
        return "{ts}"
    return _UUID.sub("{id}", segment)
