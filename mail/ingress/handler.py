"""Decisions of the SMTP door: who receives mail here, and what a failure is called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, TypeVar
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
from mail.bounces.return_path import ReturnPath, read_return_path
from mail.brakes import received_count
from mail.domains import suspended_among
from mail.ingress.assessing import Assessor, Judged
from mail.ingress.committer import GroupCommitter
from mail.mime.parse import HeaderTooLarge, parse_mail
from mail.raw import StoredRaw, store_raw
from mail.selectors import receiving_mailbox_id
from mail.services.arrivals import take_report
from mail.services.feedback import record_mailbox_report
from mail.services.receiving import Acceptance, InboundMail
from mail.trust.results_header import without_forged_results
from mail.trust.verdicts import Arrival, Disposition

log = structlog.get_logger(__name__)

_CACHE_SECONDS = 5.0
_CACHE_ENTRIES = 10_000
# Larger messages are parsed and stored in a thread, so that other sessions go on meanwhile.
_INLINE_PARSE_BYTES = 64 * 1024
# What aiosmtpd calls MAIL FROM:<>.
_NULL_PATH = "<>"
# In place of the id of a mailbox whose organization is suspended.
_SUSPENDED = UUID(int=0)
_T = TypeVar("_T")

NO_SUCH_MAILBOX = "550 5.1.1 No mailbox with this address."
REFUSED_BY_POLICY = "550 5.7.1 The DMARC policy of the author's domain refuses this message."
# A temporary refusal (RFC 3463, 4.2.1): the sender keeps the message until the organization is resumed.
MAILBOX_SUSPENDED = "450 4.2.1 This mailbox takes no mail at present. Try again later."
TEMPORARY = "451 4.3.0 Could not store the message. Try again later."


class IngressHandler:
    """aiosmtpd calls the handle_* methods; each returns the reply."""

    def __init__(self, committer: GroupCommitter, assessor: Assessor) -> None:
        self._committer = committer
        self._assessor = assessor
        # One thread, so that its database connection can be closed; a hit costs a fraction of a millisecond.
        self._lookups = ThreadPoolExecutor(max_workers=1, thread_name_prefix="smtp-lookup")
        self._parsers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="smtp-parse")
        self._reports = ThreadPoolExecutor(max_workers=1, thread_name_prefix="smtp-report")
        self._found: dict[str, tuple[float, UUID]] = {}

    def close(self) -> None:
        """End the threads."""
        for threads in (self._lookups, self._reports):
            threads.submit(_close_connection)
            threads.shutdown(wait=True)
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
        if (path := read_return_path(address)) is not None:
            envelope.rcpt_tos.append(address)
            session_paths(session)[address] = path
            return "250 2.1.5 OK"
        try:
            mailbox_id = await self._lookup(address)
        except Exception:
            log.exception("smtp.lookup_failed")
            return "451 4.3.0 Could not look up the mailbox. Try again later."
        if mailbox_id is None:
            return NO_SUCH_MAILBOX
        if mailbox_id is _SUSPENDED:
            return MAILBOX_SUSPENDED
        envelope.rcpt_tos.append(address)
        session_boxes(session)[address] = mailbox_id
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        try:
            ratelimit.hit("smtp", session.peer[0] if session.peer else "", settings.SMTP_MAX_MESSAGES_PER_IP_PER_MINUTE)
        except RateLimited:
            return "451 4.7.1 Too many messages from your address. Try again in a minute."
        original = envelope.original_content or b""
        if received_count(original) >= limits.RECEIVED_HEADERS_MAX:
            return "554 5.4.6 Mail loop: too many Received headers."
        try:
            return await self._store(session, envelope, original)
        except RateLimited:
            return "451 4.7.1 Too many reports about one message. Try again later."
        except HeaderTooLarge:
            return "552 5.3.4 The message header is too large."
        except Exception:
            log.exception("smtp.data_failed")
            return TEMPORARY

    async def _store(self, session: Session, envelope: Envelope, original: bytes) -> str:
        """Make a message durable for its mailboxes, or settle what it reports; the reply."""
        boxes, paths = session_boxes(session), session_paths(session)
        mailbox_ids = tuple(dict.fromkeys(boxes[address] for address in envelope.rcpt_tos if address in boxes))
        for path in {paths[address] for address in envelope.rcpt_tos if address in paths}:
            mailbox_ids += tuple(await self._in_report_thread(take_report, path, original))
        if not mailbox_ids:
            return "250 2.0.0 OK"
        mail = await self._prepare(session, envelope, original, mailbox_ids)
        if mail.assessment is not None and mail.assessment.disposition is Disposition.REJECT:
            return REFUSED_BY_POLICY
        outcome = await self._committer.commit(mail)
        if envelope.mail_from == _NULL_PATH and settings.MAIL_RETURN_PATH == "sender":
            await self._in_report_thread(record_mailbox_report, mailbox_ids, original)
        if all(result is Acceptance.GONE for result in outcome.values()):
            return NO_SUCH_MAILBOX
        return f"250 2.0.0 OK {mail.parsed.dedup_key[:16]}"

    async def _prepare(
        self, session: Session, envelope: Envelope, original: bytes, mailbox_ids: tuple[UUID, ...]
    ) -> InboundMail:
        """Everything that can be done before the transaction; what takes long is done in threads."""
        trace = _received_header(session, envelope)
        peer = session.peer[0] if session.peer else ""
        if not self._assessor.is_exempt(peer):
            arrival = Arrival(peer, str(session.host_name or ""), envelope.mail_from or "")
            judged = await self._assessor.assess(original, trace, arrival, envelope.rcpt_tos)
            return await self._store_large(judged, mailbox_ids)
        content = trace + without_forged_results(original, settings.SMTP_HOSTNAME)
        if len(content) <= _INLINE_PARSE_BYTES:
            return _parse_and_store(content, mailbox_ids)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._parsers, _parse_and_store, content, mailbox_ids)

    async def _store_large(self, judged: Judged, mailbox_ids: tuple[UUID, ...]) -> InboundMail:
        """The message with its raw bytes stored, unless it is refused anyway."""
        content, stored = judged.content, StoredRaw(judged.content, None)
        is_refused = judged.assessment.disposition is Disposition.REJECT
        if len(content) > limits.INLINE_RAW_BYTES and not is_refused:
            stored = await asyncio.get_running_loop().run_in_executor(self._parsers, store_raw, content)
        return InboundMail(judged.parsed, stored, len(content), mailbox_ids, judged.assessment)

    async def _in_report_thread(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Reports have a thread of their own, so that a flood of bounces delays no mail."""
        return await asyncio.get_running_loop().run_in_executor(self._reports, _with_connection, call, *arguments)

    async def _lookup(self, address: str) -> UUID | None:
        """The mailbox of an address. Hits are remembered for seconds; the commit checks them again."""
        key = normalize_address(address)
        cached = self._found.get(key)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        found = await asyncio.get_running_loop().run_in_executor(self._lookups, _find_mailbox, key)
        if found is not None and found is not _SUSPENDED:
            if len(self._found) >= _CACHE_ENTRIES:
                self._found.clear()
            self._found[key] = (time.monotonic() + _CACHE_SECONDS, found)
        return found


def session_boxes(session: Session) -> dict[str, UUID]:
    """Mailbox ids of the recipients of this session, by address as given."""
    boxes: dict[str, UUID] = session.__dict__.setdefault("boxes", {})
    return boxes


def session_paths(session: Session) -> dict[str, ReturnPath]:
    """Return paths among the recipients of this session, by address as given."""
    paths: dict[str, ReturnPath] = session.__dict__.setdefault("paths", {})
    return paths


def _with_connection(call: Callable[..., _T], *arguments: Any) -> _T:
    close_old_connections()
    return call(*arguments)


def _close_connection() -> None:
    # A function, because `connection` means that of the thread which looks at it.
    connection.close()


def _find_mailbox(address: str) -> UUID | None:
    close_old_connections()
    found = receiving_mailbox_id(address)
    return _SUSPENDED if found is not None and suspended_among([found]) else found


def _parse_and_store(content: bytes, mailbox_ids: tuple[UUID, ...]) -> InboundMail:
    """Parse, and make a large message durable in the blob store, before the transaction."""
    parsed = parse_mail(content)
    return InboundMail(parsed, store_raw(content), len(content), mailbox_ids)


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
