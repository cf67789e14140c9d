"""One SMTP transaction with one server (RFC 5321), for the smarthost and the direct MX transport.

smtplib's convenience methods send DATA and the content in one step and put no limit on how long a slow server may take.
Here the dialogue is driven command by command, so that the hand-over is recorded between the server's 354 and the
first byte of content, every reply is bounded in size, and each phase has one deadline however slowly bytes trickle.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings

from common.db import refuse_in_transaction
from mail.mime.encode import encode_domain
from mail.providers.base import Outcome, RecipientResult
from mail.providers.outcomes import PartlyUnknown, clean_detail, in_order

_REPLY_LINE_MAX_BYTES = 4096
_REPLY_MAX_LINES = 128
_CHUNK_BYTES = 64 * 1024
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_NOT_IN_PATH = re.compile(r"[\x00-\x20\x7f<>]")


class Tls(StrEnum):
    """How a connection is protected; `auto`, `require` and `off` are the words of the transport setting."""

    OFF = "off"
    # Opportunistic security (RFC 7435): encrypted when offered, to whoever answers; better than clear text.
    AUTO = "auto"
    # STARTTLS (RFC 3207) with a verified certificate, or nothing is sent.
    REQUIRE = "require"
    # TLS from the first byte (RFC 8314), verified.
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. Each covers a whole phase, not a single read.

    The content has its own budget, because giving up on it is expensive: the outcome is then unknown.
    """

    connect: float = 30.0
    dialogue: float = 120.0
    content: float = 120.0
    goodbye: float = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect. `address`, when set, is the checked IP address of `host`; `host` is the name to verify."""

    host: str
    port: int
    tls: Tls = Tls.AUTO
    address: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    # A PEM file of authorities to trust instead of the system's store, for relays with a private one.
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """What one server is given. `content` is complete RFC 5322 bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class HostUnavailable(Exception):
    """No mail transaction could be started: nothing was said about any recipient, another host may be tried."""

    def __init__(self, detail: str, *, is_permanent: bool = False) -> None:
        super().__init__(clean_detail(detail))
        self.detail = clean_detail(detail)
        self.is_permanent = is_permanent


class _TlsFailed(Exception):
    """The handshake failed; the connection is unusable."""


class _Session(smtplib.SMTP):
    """smtplib's EHLO, STARTTLS and AUTH over bounded reads and one deadline for a whole phase."""

    def __init__(self, server: Server, timeouts: Timeouts, ehlo_name: str) -> None:
        super().__init__(host="", local_hostname=ehlo_name, timeout=timeouts.connect)
        self._host: str = server.host  # what smtplib asks for in the TLS handshake
        self._server = server
        self._buffer = b""
        self._deadline = 0.0
        self.is_in_content = False
        self.allow(timeouts.dialogue)

    def allow(self, seconds: float) -> None:
        """Start a phase that must end within `seconds`."""
        self._deadline = time.monotonic() + seconds

    def _arm(self) -> socket.socket:
        remaining = self._deadline - time.monotonic()
        sock: socket.socket | None = getattr(self, "sock", None)
        if sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        if remaining <= 0:
            raise TimeoutError("the server took too long")
        sock.settimeout(remaining)
        return sock

    def open_connection(self) -> tuple[int, bytes]:
        """Connect and return the greeting."""
        peer = (self._server.address or self._server.host, self._server.port)
        sock = socket.create_connection(peer, self.timeout)
        if self._server.tls is Tls.IMPLICIT:
            try:
                self.sock = tls_context(self._server.ca_file, verified=True).wrap_socket(
                    sock, server_hostname=self._server.host
                )
            except OSError as error:
                sock.close()
                raise _TlsFailed(_reason(error)) from error
        else:
            self.sock = sock
        return self.getreply()

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _REPLY_LINE_MAX_BYTES:
                raise smtplib.SMTPServerDisconnected("the server sent an endless line")
            chunk = self._arm().recv(_REPLY_LINE_MAX_BYTES)
            if not chunk:
                raise smtplib.SMTPServerDisconnected("the server closed the connection")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def getreply(self) -> tuple[int, bytes]:
        """One reply (RFC 5321 section 4.2.1): its code, -1 when that is no number, and its text."""
        texts: list[bytes] = []
        try:
            while True:
                line = self._read_line().rstrip(b"\r")
                code, mark = line[:3], line[3:4]
                texts.append(line[4:].strip())
                if not (len(code) == 3 and code.isdigit()):
                    return -1, line[:_REPLY_LINE_MAX_BYTES]
                if mark != b"-":
                    return int(code), b"\n".join(texts)
                if len(texts) >= _REPLY_MAX_LINES:
                    raise smtplib.SMTPServerDisconnected("the server sent an endless reply")
        except OSError:
            self.close()
            raise

    def send(self, data: Any) -> None:
        """Write all of `data` before the deadline."""
        raw = data.encode(self.command_encoding) if isinstance(data, str) else bytes(data)
        try:
            for start in range(0, len(raw), _CHUNK_BYTES):
                self._arm().sendall(raw[start : start + _CHUNK_BYTES])
        except OSError:
            self.close()
            raise

    def start_tls(self, *, verified: bool) -> bool:
        """Upgrade the connection (RFC 3207); False when the server declined and the session goes on in the clear.

        Raises _TlsFailed when the handshake broke the connection.
        """
        try:
            code, _text = self.docmd("STARTTLS")
            if code != 220:
                return False
            if self._buffer:
                # Bytes sent before the handshake would be read as if they were protected: an injection.
                raise _TlsFailed("the server sent data before the TLS handshake")
            self.sock = tls_context(self._server.ca_file, verified=verified).wrap_socket(
                self._arm(), server_hostname=self._server.host
            )
        except smtplib.SMTPServerDisconnected as error:
            raise _TlsFailed(str(error)) from error
        except OSError as error:
            raise _TlsFailed(_reason(error)) from error
        # RFC 3207 section 4.2: forget what was learned in the clear.
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        return True

    def goodbye(self, seconds: float) -> None:
        """QUIT without caring about the answer, and close. Inside the content, QUIT would be content: only close."""
        if getattr(self, "sock", None) is not None and not self.is_in_content:
            self.allow(seconds)
            with suppress(OSError, smtplib.SMTPException):
                self.docmd("QUIT")
        self.close()


@lru_cache(maxsize=8)
def tls_context(ca_file: str, *, verified: bool) -> ssl.SSLContext:
    """A client context: verified against `ca_file` or the system's store, or encrypting only (RFC 7435)."""
    context = ssl.create_default_context(cafile=ca_file or None)
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'handshake error'}"
    if isinstance(error, TimeoutError):
        return "the server took too long"
    return error.strerror or str(error) or type(error).__name__


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
    server: Server, submission: Submission, hand_off: Callable[[], None], timeouts: Timeouts | None = None
) -> list[RecipientResult]:
    """Offer a message to one server and return a result for every recipient.

    Raises HostUnavailable when no transaction could be started, and PartlyUnknown when the connection was lost between
    the end of the content and the server's answer to it. A connection lost earlier, even inside the content, is
    DEFERRED: a server must not deliver what it has not seen the end of (RFC 5321 section 4.1.1.4).
    """
    refuse_in_transaction("Sending mail")
    timeouts = timeouts or Timeouts()
    try:
        session = _open_session(server, timeouts)
    except _TlsFailed as error:
        if server.tls is not Tls.AUTO or server.username:
            raise HostUnavailable(f"{server.host}: {error}") from error
        # RFC 7435: when opportunistic encryption cannot be had, the mail still goes.
        session = _open_session(Server(server.host, server.port, Tls.OFF, server.address), timeouts)
    try:
        return _Transaction(session, submission, timeouts).run(hand_off)
    finally:
        session.goodbye(timeouts.goodbye)


def _open_session(server: Server, timeouts: Timeouts) -> _Session:
    """Connect, greet, encrypt and authenticate. Raises HostUnavailable or _TlsFailed."""
    session = _Session(server, timeouts, settings.SMTP_HOSTNAME)
    try:
        code, text = session.open_connection()
        if code != 220:
            # 554 instead of a greeting: no mail is taken here (RFC 5321 section 3.1).
            raise HostUnavailable(f"{server.host}: {_words(code, text)}", is_permanent=500 <= code < 600)
        _say_hello(session, server)
        if _encrypt(session, server):
            _say_hello(session, server)
        if server.username:
            _authenticate(session, server)
    except HostUnavailable:
        session.goodbye(timeouts.goodbye)
        raise
    except OSError as error:  # SMTPServerDisconnected and every other smtplib error are OSErrors too
        session.close()
        raise HostUnavailable(f"{server.host}: {_reason(error)}") from error
    except BaseException:
        session.close()
        raise
    return session


def _say_hello(session: _Session, server: Server) -> None:
    code, text = session.ehlo()
    if 500 <= code < 600:
        code, text = session.helo()  # RFC 5321 section 3.2: a server without extensions
    if code != 250:
        raise HostUnavailable(f"{server.host}: {_words(code, text)}")


def _encrypt(session: _Session, server: Server) -> bool:
    """Upgrade as `server.tls` and credentials demand; True when the session is newly encrypted."""
    if server.tls in {Tls.OFF, Tls.IMPLICIT}:
        return False
    must = server.tls is Tls.REQUIRE or bool(server.username)
    if session.has_extn("starttls") and session.start_tls(verified=must):
        return True
    if must:
        raise HostUnavailable(
            f"{server.host} offers no STARTTLS, and nothing is sent to it in the clear. "
            "Use starttls=off to allow that, or smtps://."
        )
    return False


def _authenticate(session: _Session, server: Server) -> None:
    """AUTH (RFC 4954). A refusal is the operator's to repair, so mail waits for it instead of bouncing."""
    try:
        session.login(server.username, server.password)
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPResponseException as error:
        raise HostUnavailable(f"{server.host} refused the credentials ({error.smtp_code}).") from None
    except smtplib.SMTPException:
        raise HostUnavailable(f"{server.host} offers no authentication that this server knows.") from None


def _words(code: int, text: bytes) -> str:
    return clean_detail(text if code < 0 else b"%d %b" % (code, text))


def _outcome(code: int) -> Outcome:
    return Outcome.REFUSED if 500 <= code < 600 else Outcome.DEFERRED


class _Transaction:
    """MAIL, RCPT, DATA for one message."""

    def __init__(self, session: _Session, submission: Submission, timeouts: Timeouts) -> None:
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
            self._settle_rest(Outcome.DEFERRED, _reason(error))
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
            self._settle_rest(_outcome(code), _words(code, text))
            return False
        if not self._name_recipients(paths):
            return False
        code, text = self.session.docmd("DATA")
        if code != 354:
            self._settle_rest(_outcome(code), _words(code, text))
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
                self._settle_rest(Outcome.DEFERRED, _words(code, text))
                return False
            else:
                # 552 here means "too many recipients" and is temporary (RFC 5321 section 4.5.3.1.10).
                outcome = Outcome.DEFERRED if code == 552 else _outcome(code)
                self._settle(address, outcome, _words(code, text))
        return taken

    def _transmit(self) -> None:
        """The content and its answer."""
        self.session.allow(self.timeouts.content)
        try:
            self.session.send(self.content)
        except OSError as error:
            # The end of the content was never written, so the server has no message to deliver.
            self._settle_rest(Outcome.DEFERRED, f"The connection broke inside the content: {_reason(error)}")
            return
        try:
            self.session.send(b".\r\n")
            code, text = self.session.getreply()
            self.session.is_in_content = False
        except OSError as error:
            raise self._unknown(_reason(error)) from error
        if 200 <= code < 300:
            self._settle_rest(Outcome.ACCEPTED, _words(code, text))
        elif 400 <= code < 600:
            self._settle_rest(_outcome(code), _words(code, text))
        else:
            raise self._unknown("the answer was no SMTP reply")

    def _unknown(self, reason: str) -> PartlyUnknown:
        unsettled = self._open
        results = in_order(self.submission.recipients, self.results.values())
        return PartlyUnknown(f"No answer after the content: {reason}", results=results, recipients=unsettled)
