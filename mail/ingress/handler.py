"""Decisions of the SMTP door: who receives mail here, and what a failure is called."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from uuid import UUID

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import close_old_connections, connection

from common import ratelimit
from common.errors import RateLimited
from common.ids import uuid7
from mail import limits
from mail.addresses import normalize_address
from mail.ingress.committer import GroupCommitter
from mail.mime.parse import HeaderTooLarge, parse_mail
from mail.raw import store_raw
from mail.selectors import receiving_mailbox_id
from mail.services.receiving import Acceptance, InboundMail

log = structlog.get_logger(__name__)

_CACHE_SECONDS = 5.0
_CACHE_ENTRIES = 10_000
_MAX_RECEIVED_HEADERS = 50
# Larger messages are parsed and stored in a thread, so that other sessions go on meanwhile.
_INLINE_PARSE_BYTES = 64 * 1024

NO_SUCH_MAILBOX = "550 5.1.1 No mailbox with this address."
TEMPORARY = "451 4.3.0 Could not store the message. Try again later."


class IngressHandler:
    """aiosmtpd calls the handle_* methods; each returns the reply."""

    def __init__(self, committer: GroupCommitter) -> None:
        self._committer = committer
        # One thread, so that its database connection can be closed; a hit costs a fraction of a millisecond.
        self._lookups = ThreadPoolExecutor(max_workers=1, thread_name_prefix="smtp-lookup")
        self._parsers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="smtp-parse")
        self._found: dict[str, tuple[float, UUID]] = {}

    def close(self) -> None:
        """End the threads."""
        self._lookups.submit(_close_connection)
        self._lookups.shutdown(wait=True)
        self._parsers.shutdown(wait=True)

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        # The last line has no hyphen, so extensions go before it.
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= limits.SMTP_RECIPIENTS_PER_MESSAGE:
            return "452 4.5.3 Too many recipients. Send the others in another transaction."
        try:
            mailbox_id = await self._lookup(address)
        except Exception:
            log.exception("smtp.lookup_failed")
            return "451 4.3.0 Could not look up the mailbox. Try again later."
        if mailbox_id is None:
            return NO_SUCH_MAILBOX
        envelope.rcpt_tos.append(address)
        session_boxes(session)[address] = mailbox_id
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        try:
            ratelimit.hit("smtp", session.peer[0] if session.peer else "", settings.SMTP_MAX_MESSAGES_PER_IP_PER_MINUTE)
        except RateLimited:
            return "451 4.7.1 Too many messages from your address. Try again in a minute."
        content = _received_header(session, envelope) + (envelope.original_content or b"")
        if _received_count(content) > _MAX_RECEIVED_HEADERS:
            return "554 5.4.6 Mail loop: too many Received headers."
        boxes = session_boxes(session)
        mailbox_ids = tuple(dict.fromkeys(boxes[address] for address in envelope.rcpt_tos))
        try:
            if len(content) <= _INLINE_PARSE_BYTES:
                mail = _prepare(content, mailbox_ids)
            else:
                mail = await asyncio.get_running_loop().run_in_executor(self._parsers, _prepare, content, mailbox_ids)
            outcome = await self._committer.commit(mail)
        except HeaderTooLarge:
            return "552 5.3.4 The message header is too large."
        except Exception:
            log.exception("smtp.data_failed")
            return TEMPORARY
        if all(result is Acceptance.GONE for result in outcome.values()):
            return NO_SUCH_MAILBOX
        return f"250 2.0.0 OK {mail.parsed.dedup_key[:16]}"

    async def _lookup(self, address: str) -> UUID | None:
        """The mailbox of an address. Hits are remembered for seconds; the commit checks them again."""
        key = normalize_address(address)
        cached = self._found.get(key)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        found = await asyncio.get_running_loop().run_in_executor(self._lookups, _find_mailbox, key)
        if found is not None:
            if len(self._found) >= _CACHE_ENTRIES:
                self._found.clear()
            self._found[key] = (time.monotonic() + _CACHE_SECONDS, found)
        return found


def session_boxes(session: Session) -> dict[str, UUID]:
    """Mailbox ids of the recipients of this session, by address as given."""
    boxes: dict[str, UUID] = session.__dict__.setdefault("boxes", {})
    return boxes


def _close_connection() -> None:
    # A function, because `connection` means that of the thread which looks at it.
    connection.close()


def _find_mailbox(address: str) -> UUID | None:
    close_old_connections()
    return receiving_mailbox_id(address)


def _prepare(content: bytes, mailbox_ids: tuple[UUID, ...]) -> InboundMail:
    """Parse, and make a large message durable in the blob store, before the transaction."""
    parsed = parse_mail(content)
    return InboundMail(parsed, store_raw(content), len(content), mailbox_ids)


def _received_count(content: bytes) -> int:
    end = content.find(b"\r\n\r\n")
    return content[: end if end >= 0 else len(content)].lower().count(b"\nreceived:")


def _received_header(session: Session, envelope: Envelope) -> bytes:
    """The trace header that every receiving server adds (RFC 5321 section 4.4)."""
    peer = session.peer[0] if session.peer else "unknown"
    # Only what is safe inside a comment; the name is the peer's own claim.
    name = "".join(c for c in str(session.host_name or "unknown") if c.isalnum() or c in ".-_[]:")[:255] or "unknown"
    protocol = "ESMTPS" if session.ssl else "ESMTP"
    if envelope.smtp_utf8:
        protocol = "UTF8SMTPS" if session.ssl else "UTF8SMTP"
    literal = f"[IPv6:{peer}]" if ":" in peer else f"[{peer}]"
    return (
        f"Received: from {name} ({literal})\r\n"
        f"\tby {settings.SMTP_HOSTNAME} with {protocol} id {uuid7().hex};\r\n"
        f"\t{formatdate()}\r\n"
    ).encode("utf-8", "replace")
