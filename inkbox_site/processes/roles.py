"""What a process role is: something that starts its own threads, says where it listens, and stops in time."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


class CannotStart(Exception):
    """The server cannot start as configured. The text is one sentence with the remedy."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Role(Protocol):
    """One part of the server. `start` returns when it works, `stop` when it has ended or the time is over."""

    name: str

    def start(self, on_death: Callable[[str], None]) -> None:
        """Start. `on_death` is called with the role's name when it ends without having been asked to."""

    def lines(self) -> list[tuple[str, str]]:
        """Label and text of what a person wants to know about it at start-up."""

    def expect_stop(self) -> None:
        """All roles are about to be stopped, one after the other: begin here what takes a while. Returns at once."""

    def stop(self, timeout: float) -> None:
        """Finish what is in progress, within `timeout` seconds."""


class RoleThread:
    """A daemon thread that reports when it ends unasked. Daemon, so that a stuck one cannot hold up the exit."""

    def __init__(self, name: str, run: Callable[[], None], on_death: Callable[[str], None]) -> None:
        self._name = name
        self._run = run
        self._on_death = on_death
        self._is_stopping = False
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """False once the body has returned or failed."""
        return self._thread.is_alive()

    def expect_end(self) -> None:
        """From here on, ending is what the thread is supposed to do."""
        self._is_stopping = True

    def join(self, timeout: float) -> bool:
        """Wait for the end; False when it did not come in time."""
        self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException:
            log.exception("role.failed", role=self._name)
        finally:
            if not self._is_stopping:
                self._on_death(self._name)


def listen(host: str, port: int, *, variable: str) -> socket.socket:
    """A bound TCP socket. Raises CannotStart naming `variable` when the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CannotStart(
            f"The address {host!r} is not known here: {error.strerror}. Change {variable}_HOST."
        ) from None
    bound = socket.socket(family, kind, protocol)
    try:
        # Connections of a previous process that are still closing must not block a restart.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Taken only becomes visible here when the other socket was bound with SO_REUSEADDR too.
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise address_refused(error, host, port, variable=variable) from None
    return bound


def address_refused(error: OSError, host: str, port: int, *, variable: str) -> CannotStart:
    """One sentence for a failed bind."""
    if error.errno == errno.EADDRINUSE:
        return CannotStart(f"Port {port} on {host} is taken by another program. Set {variable}_PORT to a free port.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return CannotStart(f"This user may not listen on port {port}. Set {variable}_PORT to a port from 1024 up.")
    if error.errno == errno.EADDRNOTAVAIL:
        return CannotStart(f"{host} is not an address of this machine. Change {variable}_HOST.")
    return CannotStart(f"Cannot listen on {host}:{port}: {error.strerror}. Change {variable}_HOST or {variable}_PORT.")
