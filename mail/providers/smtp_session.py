"""A connection to one SMTP server up to the point where mail can be offered: greeting, EHLO, TLS, AUTH.

smtplib reads replies of any length and restarts its timeout with every byte. Here a reply is bounded in size, and a
phase of the dialogue has one deadline however slowly the server trickles.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings

from mail.providers.outcomes import clean_detail

_REPLY_LINE_MAX_BYTES = 4096
_REPLY_MAX_LINES = 128
_CHUNK_BYTES = 64 * 1024


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


class HostUnavailable(Exception):
    """No mail transaction could be started: nothing was said about any recipient, another host may be tried."""

    def __init__(self, detail: str, *, is_permanent: bool = False) -> None:
        super().__init__(clean_detail(detail))
        self.detail = clean_detail(detail)
        self.is_permanent = is_permanent


class TlsFailed(Exception):
    """The handshake failed; the connection is unusable."""


class Session(smtplib.SMTP):
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
                raise TlsFailed(reason_of(error)) from error
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

        Raises TlsFailed when the handshake broke the connection.
        """
        try:
            code, _text = self.docmd("STARTTLS")
            if code != 220:
                return False
            if self._buffer:
                # Bytes sent before the handshake would be read as if they were protected: an injection.
                raise TlsFailed("the server sent data before the TLS handshake")
            self.sock = tls_context(self._server.ca_file, verified=verified).wrap_socket(
                self._arm(), server_hostname=self._server.host
            )
        except smtplib.SMTPServerDisconnected as error:
            raise TlsFailed(str(error)) from error
        except OSError as error:
            raise TlsFailed(reason_of(error)) from error
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


def reason_of(error: OSError | ValueError) -> str:
    """Why a connection failed, in words for the operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'handshake error'}"
    if isinstance(error, TimeoutError):
        return "the server took too long"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__


def open_session(server: Server, timeouts: Timeouts) -> Session:
    """Connect, greet, encrypt and authenticate. Raises HostUnavailable or TlsFailed."""
    session = Session(server, timeouts, settings.SMTP_HOSTNAME)
    try:
        code, text = session.open_connection()
        if code != 220:
            # 554 instead of a greeting: no mail is taken here (RFC 5321 section 3.1).
            raise HostUnavailable(f"{server.host}: {reply_text(code, text)}", is_permanent=500 <= code < 600)
        _say_hello(session, server)
        if _encrypt(session, server):
            _say_hello(session, server)
        if server.username:
            _authenticate(session, server)
    except HostUnavailable:
        session.goodbye(timeouts.goodbye)
        raise
    # Every smtplib error is an OSError; a host name that cannot be encoded is a ValueError.
    except (OSError, ValueError) as error:
        session.close()
        raise HostUnavailable(f"{server.host}: {reason_of(error)}") from error
    except BaseException:
        session.close()
        raise
    return session


def _say_hello(session: Session, server: Server) -> None:
    code, text = session.ehlo()
    if 500 <= code < 600:
        code, text = session.helo()  # RFC 5321 section 3.2: a server without extensions
    if code != 250:
        raise HostUnavailable(f"{server.host}: {reply_text(code, text)}")


def _encrypt(session: Session, server: Server) -> bool:
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


def _authenticate(session: Session, server: Server) -> None:
    """AUTH (RFC 4954). A refusal is the operator's to repair, so mail waits for it instead of bouncing."""
    try:
        session.login(server.username, server.password)
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPResponseException as error:
        raise HostUnavailable(f"{server.host} refused the credentials ({error.smtp_code}).") from None
    except (smtplib.SMTPException, ValueError):  # ValueError: a challenge that is no base64
        raise HostUnavailable(f"{server.host} offers no authentication that this server knows.") from None


def reply_text(code: int, text: bytes) -> str:
    """A reply as one line: `550 5.1.1 No such user`."""
    return clean_detail(text if code < 0 else b"%d %b" % (code, text))
