"""A sending mail server: it keeps a message until somebody else has taken the responsibility for it."""

from __future__ import annotations

import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.clients.live_server import LiveServer
from tests.faults.crashes import RETRY_SECONDS

SENDER = "ada@customer.example"


@dataclass(frozen=True)
class Mail:
    """One message, in the bytes of every attempt to send it."""

    message_id: str
    content: bytes


class Ledger:
    """What the senders know, shared by their threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acknowledged: set[str] = set()
        self._transmitted: Counter[str] = Counter()

    def transmitted(self, mail: Mail) -> None:
        """All of it, up to the final dot, was written."""
        with self._lock:
            self._transmitted[mail.message_id] += 1

    def acknowledge(self, mail: Mail) -> None:
        """The answer was 250."""
        with self._lock:
            self._acknowledged.add(mail.message_id)

    @property
    def acknowledged(self) -> set[str]:
        with self._lock:
            return set(self._acknowledged)

    @property
    def repeated(self) -> set[str]:
        """Transmitted completely more than once."""
        with self._lock:
            return {message_id for message_id, times in self._transmitted.items() if times > 1}

    @property
    def unanswered(self) -> set[str]:
        """Transmitted completely, and the answer has not come (yet)."""
        with self._lock:
            return set(self._transmitted) - self._acknowledged


class MailSource:
    """One session at a time, opened anew when it breaks."""

    def __init__(self, server: LiveServer, recipients: Sequence[str], ledger: Ledger) -> None:
        self._server = server
        self._recipients = recipients
        self._ledger = ledger
        self._connection: smtplib.SMTP | None = None

    def send(self, mails: Iterable[Mail], *, under_way: Callable[[], object], keeps_trying: bool = True) -> None:
        """Send one after the other; without `keeps_trying` a message is given up when its answer was lost."""
        try:
            for mail in mails:
                while not self._attempt(mail, under_way):
                    if not keeps_trying and mail.message_id in self._ledger.unanswered:
                        break
                    time.sleep(RETRY_SECONDS)
        finally:
            self._hang_up()

    def _attempt(self, mail: Mail, under_way: Callable[[], object]) -> bool:
        """True when the message was acknowledged."""
        try:
            session = self._connection = self._connection or self._connect()
            self._command(session, 250, "MAIL", f"FROM:<{SENDER}>")
            for recipient in self._recipients:
                self._command(session, 250, "RCPT", f"TO:<{recipient}>")
            self._command(session, 354, "DATA")
            session.send(mail.content + b".\r\n")
            self._ledger.transmitted(mail)
            under_way()
            code, text = session.getreply()
            if code == 250:
                self._ledger.acknowledge(mail)
                return True
            # A temporary failure is honest: the message stays here. Anything else would lose it.
            assert 400 <= code < 500, (code, text)
        except OSError:  # smtplib's own errors too
            pass
        self._hang_up()
        return False

    def _connect(self) -> smtplib.SMTP:
        connection = smtplib.SMTP(*self._server.smtp_address, local_hostname="customer.example", timeout=30)
        connection.ehlo()
        return connection

    @staticmethod
    def _command(session: smtplib.SMTP, expected: int, verb: str, argument: str = "") -> None:
        code, text = session.docmd(verb, argument)
        if 400 <= code < 500:
            raise smtplib.SMTPServerDisconnected("refused for now")
        assert code == expected, (verb, code, text)

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


def text_mail(message_id: str, subject: str, *, in_reply_to: str | None = None) -> Mail:
    """A short message."""
    reply = f"In-Reply-To: {in_reply_to}\r\nReferences: {in_reply_to}\r\n" if in_reply_to else ""
    content = (
        f"From: Ada <{SENDER}>\r\nTo: agents@example.com\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\n"
        f"Date: Mon, 05 Jan 2026 10:00:00 +0000\r\n{reply}\r\nThis is {subject}.\r\n"
    )
    return Mail(message_id, content.encode())
