"""aiosmtpd with three differences: messages are read in large pieces, PIPELINING is announced, sessions are limited."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

from aiosmtpd.smtp import SMTP, syntax
from django.conf import settings

_END = b"\r\n.\r\n"
_READ_BYTES = 256 * 1024
# <local@domain> or <> with optional parameters; routes, quoted local parts and literals go to aiosmtpd's parser.
_PLAIN_PATH = re.compile(
    r"<([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+)> ?(.*)"
)


class OpenSessions:
    """The sessions that are open now, counted by peer address."""

    def __init__(self, limit_per_peer: int) -> None:
        self._limit = limit_per_peer
        self._by_peer: Counter[str] = Counter()
        self.all: set[IngressProtocol] = set()
        # Sessions in the middle of DATA; the committing thread looks at it to size its batches.
        self.receiving = 0
        # Set by a shutdown: a session that has a message in hand ends after its reply.
        self.are_closing = False

    def enter(self, session: IngressProtocol, peer: str) -> bool:
        """Count a session; False when the peer has too many already."""
        self.all.add(session)
        self._by_peer[peer] += 1
        return not self._limit or self._by_peer[peer] <= self._limit

    def leave(self, session: IngressProtocol, peer: str) -> None:
        """The session ended."""
        self.all.discard(session)
        self._by_peer[peer] -= 1
        if self._by_peer[peer] <= 0:
            del self._by_peer[peer]


class IngressProtocol(SMTP):
    """One SMTP session (RFC 5321, with 8BITMIME, SMTPUTF8, SIZE, PIPELINING, and STARTTLS when configured)."""

    # Commands are short; this is the size of one read while a message comes in.
    line_length_limit = _READ_BYTES

    def __init__(self, *args: Any, sessions: OpenSessions, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sessions = sessions
        self._counted: str | None = None
        # Between the end of DATA and its reply: a shutdown lets this finish.
        self.is_storing = False

    async def _handle_client(self) -> None:
        assert self.session is not None
        peer = self.session.peer[0] if self.session.peer else ""
        self._counted = peer
        if not self._sessions.enter(self, peer):
            await self.push("421 4.7.0 Too many connections from your address. Try again later.")
            self._writer.close()
            return
        await super()._handle_client()

    def connection_lost(self, error: Exception | None) -> None:
        if self._counted is not None:
            self._sessions.leave(self, self._counted)
            self._counted = None
        super().connection_lost(error)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Address and parameters of MAIL and RCPT. The common form needs no full RFC 5322 parser."""
        if found := _PLAIN_PATH.fullmatch(arg):
            return found[1], found[2]
        return super()._getaddr(arg)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  (the name is aiosmtpd's)
        """Read the message in pieces up to the final dot, which only CRLF.CRLF is (no smuggling with bare LF)."""
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Send RCPT first.")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._sessions.receiving += 1
        try:
            content = await self._read_content()
        except (asyncio.CancelledError, asyncio.IncompleteReadError):
            # The peer hung up in the middle: nothing was promised, nothing is kept.
            self._writer.close()
            raise
        finally:
            self._sessions.receiving -= 1
        if content is None:
            await self.push(f"552 5.3.4 The message is larger than {settings.SMTP_MAX_MESSAGE_BYTES} bytes.")
            self._set_post_data_state()  # type: ignore[no-untyped-call]
            return
        self.envelope.content = self.envelope.original_content = content
        self.is_storing = True
        try:
            status = await self._call_handler_hook("DATA")
            self._set_post_data_state()  # type: ignore[no-untyped-call]
            await self.push(status)
            if self._sessions.are_closing:
                await self.say_goodbye()
        finally:
            self.is_storing = False

    async def say_goodbye(self) -> None:
        """Close the session; the peer brings the rest of its mail later (RFC 5321 section 3.8)."""
        await self.push("421 4.3.2 The server is restarting. Try again later.")
        self._writer.close()

    async def _read_content(self) -> bytes | None:
        """The unstuffed content (RFC 5321 section 4.5.2); None when it was over the limit (it is read to its end)."""
        # The terminator begins with the line break that ends the last line; for an empty message that is the one
        # behind DATA. Putting it back makes both cases one.
        self._reader._buffer[0:0] = b"\r\n"  # type: ignore[attr-defined]
        pieces: list[bytes] = []
        size = 0
        while True:
            try:
                piece = await self._reader.readuntil(_END)
            except asyncio.LimitOverrunError as overrun:
                piece = await self._reader.readexactly(overrun.consumed)
            self._reset_timeout()
            size += len(piece)
            is_last = piece.endswith(_END)
            if size > settings.SMTP_MAX_MESSAGE_BYTES + len(_END) + 2:
                pieces.clear()
            else:
                pieces.append(piece)
            if is_last:
                break
        if size > settings.SMTP_MAX_MESSAGE_BYTES + len(_END) + 2:
            return None
        # Every line that begins with a dot was stuffed with one more. The pieces are joined first, because a line
        # break may fall between two of them.
        return b"".join(pieces)[: -len(_END) + 2].replace(b"\r\n.", b"\r\n")[2:]
