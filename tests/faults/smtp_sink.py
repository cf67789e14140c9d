"""A mail server of somebody else, which answers as the test says and remembers everything."""

from __future__ import annotations

import socketserver
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Self

_QUIET_SECONDS = 60
_ANSWERS = {b"EHLO": "250-sink\r\n250 8BITMIME", b"QUIT": "221 bye"}


class Behavior(StrEnum):
    """How far a session gets."""

    ANSWER = "answer"
    # The connection is accepted, and then nothing: not even the greeting.
    SILENT = "silent"
    # Everything is answered up to the 354; the content is read and never answered.
    SWALLOW = "swallow"


class SmtpSink:
    """A threaded SMTP server on a loopback port; use it as a context manager."""

    def __init__(self) -> None:
        self.behavior = Behavior.ANSWER
        self._changed = threading.Condition()
        self._sessions = 0
        self._data_commands = 0
        self._contents: list[bytes] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.request_queue_size = 64

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The value of INKBOX_MAIL_TRANSPORT."""
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sessions(self) -> int:
        with self._changed:
            return self._sessions

    @property
    def data_commands(self) -> int:
        with self._changed:
            return self._data_commands

    @property
    def contents(self) -> list[bytes]:
        """Messages that arrived with their final dot, answered or not."""
        with self._changed:
            return list(self._contents)

    def wait_for_sessions(self, count: int, timeout_seconds: float) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._sessions >= count, timeout_seconds), "no session came"

    def wait_for_contents(self, count: int, timeout_seconds: float) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._contents) >= count, timeout_seconds), "no content came"

    def _note(self, *, data: int = 0, session: int = 0, content: bytes | None = None) -> None:
        with self._changed:
            self._data_commands += data
            self._sessions += session
            if content is not None:
                self._contents.append(content)
            self._changed.notify_all()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        sink = self

        class Handler(_Session):
            def handle(self) -> None:
                sink._note(session=1)
                # The peer is killed in the middle, which is what the tests do.
                with suppress(OSError):
                    self.converse(sink)

        return Handler


class _Session(socketserver.StreamRequestHandler):
    """One connection."""

    timeout = _QUIET_SECONDS

    def converse(self, sink: SmtpSink) -> None:
        """Answer until the peer goes away."""
        behavior = sink.behavior
        if behavior is Behavior.SILENT:
            self.rfile.read(1)
            return
        self._say("220 sink ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                sink._note(data=1)
                self._say("354 go on")
                if (content := self._content()) is None:
                    return
                sink._note(content=content)
                if behavior is Behavior.SWALLOW:
                    self.rfile.read(1)
                    return
                self._say("250 accepted")
            else:
                self._say(_ANSWERS.get(verb, "250 ok"))

    def _content(self) -> bytes | None:
        """The message; None when the peer went away before its end, which is no message at all."""
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                return None
            lines.append(line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
