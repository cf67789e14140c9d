"""A TCP proxy on this machine that keeps what a client sends to the server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65536
_STOP_SECONDS = 10


class RecordingProxy:
    """Forwards connections to ``port``; ``sent`` holds every byte of the clients in the order it came."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sent = bytearray()
        self._threads: list[threading.Thread] = []
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def sent(self) -> bytes:
        with self._lock:
            return bytes(self._sent)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A blocked accept ends by shutdown, not by close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
            assert not thread.is_alive(), "A connection through the proxy was left open."

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._start(self._forward, client, server, self._sent)
            self._start(self._forward, server, client, bytearray())

    def _forward(self, source: socket.socket, target: socket.socket, record: bytearray) -> None:
        try:
            while chunk := source.recv(_CHUNK_BYTES):
                with self._lock:
                    record += chunk
                target.sendall(chunk)
        except OSError:
            pass
        for one in (source, target):
            # The other direction may have been quicker.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
