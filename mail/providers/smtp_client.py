"""One SMTP transaction with one server (RFC 5321), for the smarthost and the direct MX transport.

smtplib's own methods send DATA and the content in one step. Here the transaction is driven command by command, so that
the hand-over is recorded between the server's 354 and the first byte of content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from common.db import refuse_in_transaction
from mail.mime.encode import encode_domain
from mail.providers.base import Outcome, RecipientResult
from mail.providers.idle_sessions import IdleSessions
from mail.providers.outcomes import PartlyUnknown, clean_detail, in_order
from mail.providers.smtp_session import (
    HostUnavailable,
    Server,
    Session,
    Timeouts,
    Tls,
    TlsFailed,
    open_session,
    reason_of,
    reply_text,
)

_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_NOT_IN_PATH = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Submission:
    """What one server is given. `content` is complete RFC 5322 bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


def smtp_address(address: str) -> str:
    """An address as it goes into a command: its domain in ASCII (IDNA), its local part as it is.

    Raises ValueError for what cannot stand in a path (RFC 5321 section 4.1.2). The empty address is the null path.
    """
    if not address:
        return ""
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or _NOT_IN_PATH.search(address):
        raise ValueError("This is not an address that SMTP can carry.")
    return f"{local}@{domain if domain.startswith('[') else encode_domain('The address', domain)}"


def smtp_content(content: bytes) -> bytes:
    """The content with CRLF line ends only and transparent dots (RFC 5321 sections 2.3.8 and 4.5.2), unterminated.

    Bare CR and LF become line ends, so that nothing inside a message can be read as its end (SMTP smuggling).
    """
    clean = _LINE_ENDS.sub(b"\r\n", content)
    if not clean.endswith(b"\r\n"):
        clean += b"\r\n"
    return _LEADING_DOT.sub(b"..", clean)


def deliver(
    server: Server,
    submission: Submission,
    hand_off: Callable[[], None],
    timeouts: Timeouts | None = None,
    sessions: IdleSessions | None = None,
) -> list[RecipientResult]:
    """Offer a message to one server and return a result for every recipient.

    Raises HostUnavailable when no transaction could be started, and PartlyUnknown when the connection was lost between
    the end of the content and the server's answer to it. A connection lost earlier, even inside the content, is
    DEFERRED: a server must not deliver what it has not seen the end of (RFC 5321 section 4.1.1.4).

    With `sessions` the connection may be one that was kept, and is kept for the next message.
    """
    refuse_in_transaction("Sending mail")
    timeouts = timeouts or Timeouts()
    session = sessions.take(server, timeouts) if sessions is not None else None
    if session is None:
        session = _open(server, timeouts)
    has_ended = False
    try:
        results = _Transaction(session, submission, timeouts).run(hand_off)
        has_ended = True
    finally:
        if sessions is not None and has_ended:
            sessions.give_back(server, session, timeouts)
        else:
            session.goodbye(timeouts.goodbye)
    return results


def _open(server: Server, timeouts: Timeouts) -> Session:
    try:
        return open_session(server, timeouts)
    except TlsFailed as error:
        if server.tls is not Tls.AUTO or server.username:
            raise HostUnavailable(f"{server.host}: {error}") from error
        # RFC 7435: when opportunistic encryption cannot be had, the mail still goes.
        return open_session(Server(server.host, server.port, Tls.OFF, server.address), timeouts)


def _outcome(code: int) -> Outcome:
    return Outcome.REFUSED if 500 <= code < 600 else Outcome.DEFERRED


class _Transaction:
    """MAIL, RCPT, DATA for one message."""

    def __init__(self, session: Session, submission: Submission, timeouts: Timeouts) -> None:
        self.session = session
        self.submission = submission
        self.timeouts = timeouts
        self.results: dict[str, RecipientResult] = {}
        self.content = smtp_content(submission.content)

    def run(self, hand_off: Callable[[], None]) -> list[RecipientResult]:
        """Every recipient's result, in their order."""
        try:
            is_ready = self._offer()
        except OSError as error:
            self._settle_rest(Outcome.DEFERRED, reason_of(error))
            is_ready = False
        if is_ready:
            self.session.is_in_content = True
            hand_off()
            self._transmit()
        return in_order(self.submission.recipients, self.results.values())

    @property
    def _open(self) -> list[str]:
        return [address for address in self.submission.recipients if address not in self.results]

    def _settle(self, address: str, outcome: Outcome, detail: str) -> None:
        self.results[address] = RecipientResult(address, outcome, clean_detail(detail))

    def _settle_rest(self, outcome: Outcome, detail: str) -> None:
        for address in self._open:
            self._settle(address, outcome, detail)

    def _offer(self) -> bool:
        """Everything up to the 354; True when the server waits for the content."""
        paths = self._paths()
        if not paths:
            return False
        options = self._options(paths)
        if options is None:
            return False
        sender = smtp_address(self.submission.sender)
        code, text = self.session.docmd("MAIL", " ".join([f"FROM:<{sender}>", *options]))
        if not 200 <= code < 300:
            self._settle_rest(_outcome(code), reply_text(code, text))
            return False
        if not self._name_recipients(paths):
            return False
        code, text = self.session.docmd("DATA")
        if code != 354:
            self._settle_rest(_outcome(code), reply_text(code, text))
            return False
        return True

    def _paths(self) -> dict[str, str]:
        """Recipients as SMTP writes them; those that cannot be written are refused here."""
        paths = {}
        for address in self.submission.recipients:
            try:
                paths[address] = smtp_address(address)
            except ValueError as error:
                self._settle(address, Outcome.REFUSED, f"553 5.1.3 {error}")
        try:
            smtp_address(self.submission.sender)
        except ValueError as error:
            self._settle_rest(Outcome.REFUSED, f"553 5.1.7 {error}")
            return {}
        return paths

    def _options(self, paths: dict[str, str]) -> list[str] | None:
        """Parameters of MAIL (RFC 1870, 6152, 6531); None when the server lacks what the message needs."""
        session = self.session
        options = []
        if session.has_extn("size"):
            limit = session.esmtp_features["size"].strip()
            if limit.isdigit() and 0 < int(limit) < len(self.content):
                self._settle_rest(Outcome.REFUSED, f"552 5.3.4 The server accepts at most {limit} bytes.")
                return None
            options.append(f"SIZE={len(self.content)}")
        if self._needs_utf8(paths):
            session.command_encoding = "utf-8"
            options.append("SMTPUTF8")
        if not self._open:
            return None
        if not self.content.isascii():
            if not session.has_extn("8bitmime"):
                self._settle_rest(Outcome.REFUSED, "554 5.6.1 The message is 8bit; the server has no 8BITMIME.")
                return None
            options.append("BODY=8BITMIME")
        return options

    def _needs_utf8(self, paths: dict[str, str]) -> bool:
        """Whether SMTPUTF8 is needed and offered (RFC 6531); when not offered, what needs it is refused here."""
        foreign = [address for address, path in paths.items() if not path.isascii()]
        header = _HEADER_END.split(self.submission.content, maxsplit=1)[0]
        needs_all = not smtp_address(self.submission.sender).isascii() or not header.isascii()
        if not foreign and not needs_all:
            return False
        if self.session.has_extn("smtputf8"):
            return True
        detail = "553 5.6.7 The server does not accept internationalized addresses (no SMTPUTF8)."
        for address in foreign:
            self._settle(address, Outcome.REFUSED, detail)
            del paths[address]
        if needs_all:
            self._settle_rest(Outcome.REFUSED, detail)
        return False

    def _name_recipients(self, paths: dict[str, str]) -> bool:
        """RCPT for each; True when at least one was taken."""
        taken = False
        for address, path in paths.items():
            code, text = self.session.docmd("RCPT", f"TO:<{path}>")
            if 200 <= code < 300:
                taken = True
            elif code == 421:
                # The server is closing the connection: nothing after this can succeed (RFC 5321 section 3.8).
                self._settle_rest(Outcome.DEFERRED, reply_text(code, text))
                return False
            else:
                # 552 here means "too many recipients" and is temporary (RFC 5321 section 4.5.3.1.10).
                outcome = Outcome.DEFERRED if code == 552 else _outcome(code)
                self._settle(address, outcome, reply_text(code, text))
        return taken

    def _transmit(self) -> None:
        """The content and its answer."""
        self.session.allow(self.timeouts.content)
        try:
            self.session.send(self.content)
        except OSError as error:
            # The end of the content was never written, so the server has no message to deliver.
            self._settle_rest(Outcome.DEFERRED, f"The connection broke inside the content: {reason_of(error)}")
            return
        try:
            self.session.send(b".\r\n")
            code, text = self.session.getreply()
            self.session.is_in_content = False
        except OSError as error:
            raise self._unknown(reason_of(error)) from error
        if 200 <= code < 300:
            self._settle_rest(Outcome.ACCEPTED, reply_text(code, text))
        elif 400 <= code < 600:
            self._settle_rest(_outcome(code), reply_text(code, text))
        else:
            raise self._unknown("the answer was no SMTP reply")

    def _unknown(self, reason: str) -> PartlyUnknown:
        unsettled = self._open
        results = in_order(self.submission.recipients, self.results.values())
        return PartlyUnknown(f"No answer after the content: {reason}", results=results, recipients=unsettled)
