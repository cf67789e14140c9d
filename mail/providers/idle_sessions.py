"""SMTP connections that are kept for the next message: a handshake costs more than a small message.

Kept only after a transaction that ended well, for seconds, and never across a change of the server's settings. What was
kept is greeted with RSET before use; when that fails the caller opens a new connection, and nothing was lost.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from mail.providers.smtp_session import Server, Session, Timeouts

IDLE_SECONDS = 10.0
MESSAGES_MAX = 50
_PER_SERVER_MAX = 4
_TOTAL_MAX = 32
_RSET_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Idle:
    session: Session
    since: float


class IdleSessions:
    """Connections of one transport that wait for their next message."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, messages_max: int = MESSAGES_MAX) -> None:
        self._idle_seconds = idle_seconds
        self._messages_max = messages_max
        self._idle: dict[Server, list[_Idle]] = defaultdict(list)
        self._used: dict[Session, int] = {}
        self._lock = threading.Lock()
        self._reaper: threading.Timer | None = None

    def take(self, server: Server, timeouts: Timeouts) -> Session | None:
        """A live connection to exactly this server, ready for MAIL; None when there is none."""
        while True:
            with self._lock:
                kept = self._idle.get(server)
                if not kept:
                    return None
                session = kept.pop().session
            if _is_alive(session, timeouts):
                return session
            self._drop(session)

    def give_back(self, server: Server, session: Session, timeouts: Timeouts) -> None:
        """Keep a connection whose transaction has ended, or say goodbye when it has served enough."""
        with self._lock:
            used = self._used.get(session, 0) + 1
            total = sum(len(kept) for kept in self._idle.values())
            has_room = total < _TOTAL_MAX and len(self._idle[server]) < _PER_SERVER_MAX
            is_kept = used < self._messages_max and has_room and not session.is_in_content and _is_open(session)
            if is_kept:
                self._used[session] = used
                self._idle[server].append(_Idle(session, time.monotonic()))
                self._schedule()
        if not is_kept:
            self._drop(session, timeouts)

    def close(self) -> None:
        """Close everything that is kept."""
        with self._lock:
            kept = [idle.session for sessions in self._idle.values() for idle in sessions]
            self._idle.clear()
            if self._reaper is not None:
                self._reaper.cancel()
                self._reaper = None
        for session in kept:
            self._drop(session)

    def _drop(self, session: Session, timeouts: Timeouts | None = None) -> None:
        with self._lock:
            self._used.pop(session, None)
        if timeouts is None:
            session.close()
        else:
            session.goodbye(timeouts.goodbye)

    def _schedule(self) -> None:
        if self._reaper is None:
            self._reaper = threading.Timer(self._idle_seconds, self._reap)
            self._reaper.daemon = True
            self._reaper.start()

    def _reap(self) -> None:
        """Close what nobody wanted in time; runs as long as something is kept."""
        limit = time.monotonic() - self._idle_seconds
        with self._lock:
            self._reaper = None
            old = [idle.session for kept in self._idle.values() for idle in kept if idle.since <= limit]
            for server in list(self._idle):
                self._idle[server] = [idle for idle in self._idle[server] if idle.since > limit]
                if not self._idle[server]:
                    del self._idle[server]
            if self._idle:
                self._schedule()
        for session in old:
            self._drop(session, _QUICK_GOODBYE)


_QUICK_GOODBYE = Timeouts(goodbye=1.0)


def _is_open(session: Session) -> bool:
    return getattr(session, "sock", None) is not None


def _is_alive(session: Session, timeouts: Timeouts) -> bool:
    try:
        session.allow(min(_RSET_SECONDS, timeouts.dialogue))
        code, _ = session.docmd("RSET")
    except OSError:
        return False
    session.allow(timeouts.dialogue)
    session.command_encoding = "ascii"
    return code == 250
