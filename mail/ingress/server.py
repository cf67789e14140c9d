"""The listening side: one thread with one event loop for all SMTP sessions."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress

import structlog
from django.conf import settings

from mail.ingress.assessing import Assessor
from mail.ingress.committer import GroupCommitter
from mail.ingress.handler import IngressHandler
from mail.ingress.protocol import IngressProtocol, OpenSessions
from mail.trust.config import load_config

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 300
_BACKLOG = 512


class SmtpServer:
    """`start()` binds (raises OSError) and returns; `stop()` closes sessions after what they have in hand is stored."""

    def __init__(self, host: str, port: int, assessor: Assessor | None = None) -> None:
        self._host, self._port = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="smtp", daemon=True)
        self._sessions = OpenSessions(settings.SMTP_MAX_SESSIONS_PER_IP)
        self._committer = GroupCommitter(self._loop, arriving=lambda: self._sessions.receiving)
        self._assessor = assessor or Assessor(load_config())
        self._handler = IngressHandler(self._committer, self._assessor)
        self._server: asyncio.Server | None = None
        self.address: tuple[str, int] = (host, port)

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._thread.start()
        self._committer.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except BaseException:
            self.stop(1.0)
            raise

    def stop(self, timeout: float) -> None:
        """Take no new sessions, let messages in hand be stored, close the rest."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(timeout / 2), self._loop).result(timeout)
        self._committer.stop(timeout / 4)
        self._handler.close()
        self._assessor.close(self._loop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout / 4)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        tls = _tls_context()
        self._server = await self._loop.create_server(
            lambda: self._session(tls),
            self._host,
            self._port,
            backlog=_BACKLOG,
            # Several SMTP processes share a port in the distributed profile; in the embedded one a second server on
            # the same port would silently take half of the mail.
            reuse_port=bool(settings.REDIS_URL),
        )
        self.address = self._server.sockets[0].getsockname()[:2]

    def _session(self, tls: ssl.SSLContext | None) -> IngressProtocol:
        return IngressProtocol(
            self._handler,
            sessions=self._sessions,
            data_size_limit=settings.SMTP_MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            hostname=settings.SMTP_HOSTNAME,
            ident="ESMTP ready",
            tls_context=tls,
            timeout=_IDLE_SECONDS,
            loop=self._loop,
        )

    async def _shut_down(self, grace: float) -> None:
        if self._server is not None:
            self._server.close()
        self._sessions.are_closing = True
        idle = [session for session in self._sessions.all if not session.is_storing]
        # A peer that does not read must not hold up the rest; one that is gone cannot be told.
        goodbyes = asyncio.gather(*(session.say_goodbye() for session in idle), return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(goodbyes, grace / 4)
        deadline = self._loop.time() + grace
        while any(session.is_storing for session in self._sessions.all) and self._loop.time() < deadline:
            await asyncio.sleep(0.01)
        tasks = [task for session in self._sessions.all if (task := session._handler_coroutine) is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)


def _tls_context() -> ssl.SSLContext | None:
    if not settings.SMTP_TLS_CERT:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.SMTP_TLS_CERT, settings.SMTP_TLS_KEY or None)
    return context
