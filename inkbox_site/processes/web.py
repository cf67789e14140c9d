"""The web role: uvicorn, in a thread, with the ASGI application."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

# Private, and without a public counterpart: the standard library joins these threads at exit.
from concurrent.futures.thread import _python_exit, _threads_queues

import uvicorn
from django.conf import settings

from inkbox_site.processes.roles import CannotStart, RoleThread, listen

START_SECONDS = 15
# Idle connections outlive the pools of clients and proxies, so that they and not we decide when to close.
KEEP_ALIVE_SECONDS = 75
# What runs when the server is asked to stop gets this long, well inside the ten seconds of a container runtime.
GRACEFUL_SECONDS = 5
LINGER_SECONDS = 0.3


class WebRole:
    """HTTP and WebSockets: API, admin, health, metrics."""

    name = "web"

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: RoleThread | None = None

    def reserve(self) -> None:
        """Take the port before anything else starts. Raises CannotStart."""
        self._socket = listen(settings.HTTP_HOST, settings.HTTP_PORT, variable="INKBOX_HTTP")

    def start(self, on_death: Callable[[str], None]) -> None:
        """Serve. Returns when requests are answered."""
        # Imported here: it builds the middleware chain, which is no business of the other roles.
        from inkbox_site.asgi import application

        if self._socket is None:
            self.reserve()
        assert self._socket is not None
        config = uvicorn.Config(
            application,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            # X-Forwarded-* is believed by INKBOX_TRUSTED_PROXIES, not because the peer is on this machine.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
        server = self._server = uvicorn.Server(config)
        bound = self._socket
        # In a thread uvicorn leaves the signal handlers alone; the supervisor owns them.
        self._thread = RoleThread("web", lambda: server.run(sockets=[bound]), on_death)
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not self._thread.is_alive or time.monotonic() > deadline:
                raise CannotStart("The web server did not start; the log above says why.")
            time.sleep(0.01)

    def lines(self) -> list[tuple[str, str]]:
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return [("Web", f"{settings.PUBLIC_URL} (listens on {where}; API reference at {settings.PUBLIC_URL}/api/docs)")]

    def expect_stop(self) -> None:
        """Nothing: requests are answered until its turn comes."""

    def stop(self, timeout: float) -> None:
        from inkbox_site.asgi import http_bridge, live_readers

        if self._server is None or self._thread is None:
            if self._socket is not None:
                self._socket.close()
            return
        self._thread.expect_end()
        # Streams never end by themselves.
        live_readers.close()
        self._server.should_exit = True
        self._thread.join(timeout)
        http_bridge.close()


def lingering_threads() -> list[str]:
    """Names of threads that would hold up the end of the process (a request or a send that is still in progress).

    For the very end only: it ends the thread pools, as the interpreter is about to do.
    """
    # The interpreter waits for every thread of every pool, daemon or not and without a limit. So do what it does,
    # for a moment: idle threads end at once, and what is left then is busy.
    pools = threading.Thread(target=_python_exit, daemon=True)
    pools.start()
    pools.join(LINGER_SECONDS)
    busy = [t.name for t in _threads_queues if t.is_alive()]
    main = threading.main_thread()
    return busy + [t.name for t in threading.enumerate() if t is not main and not t.daemon and t.name not in busy]
