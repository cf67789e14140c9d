"""Mail that arrives otherwise than over SMTP: sorted like there, and given to the same receiving service."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from django.conf import settings

from common.errors import NotReady
from mail import limits
from mail.bounces.return_path import ReturnPath, read_return_path
from mail.brakes import received_count
from mail.domains import suspended_among
from mail.mime.parse import HeaderTooLarge, parse_mail
from mail.models import Message
from mail.raw import store_raw
from mail.selectors import receiving_mailbox_id
from mail.services.feedback import ReportFate, record_mailbox_report, record_report
from mail.services.receiving import InboundMail, accept_batch
from mail.trust.results_header import without_forged_results


class Arrival(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    NOBODY = "nobody"
    REFUSED = "refused"


def accept_arrival(raw: bytes, sender: str | None, recipients: Sequence[str]) -> Arrival:
    """Store a message for those of `recipients` that are mailboxes here; a report to a return path settles its message.

    Durable when it returns. Raises (database trouble, NotReady for a suspended organization) for the caller to have
    it repeated, which is harmless.
    """
    is_loop = received_count(raw) >= limits.RECEIVED_HEADERS_MAX
    if is_loop or len(raw) > settings.SMTP_MAX_MESSAGE_BYTES:
        return Arrival.REFUSED
    paths = [path for address in recipients if (path := read_return_path(address)) is not None]
    mailboxes = [found for address in recipients if (found := receiving_mailbox_id(address)) is not None]
    if suspended_among(mailboxes):
        raise NotReady("The organization of a recipient is suspended. Try again later.")
    try:
        for path in paths:
            mailboxes += take_report(path, raw)
        if not mailboxes:
            return Arrival.ACCEPTED if paths else Arrival.NOBODY
        # Results in the name of this server are its own to write (RFC 8601 section 5).
        raw = without_forged_results(raw, settings.SMTP_HOSTNAME)
        parsed = parse_mail(raw)
    except HeaderTooLarge:
        return Arrival.REFUSED
    accept_batch([InboundMail(parsed, store_raw(raw), len(raw), tuple(dict.fromkeys(mailboxes)))])
    if not sender:
        record_mailbox_report(mailboxes, raw)
    return Arrival.ACCEPTED


def take_report(path: ReturnPath, raw: bytes) -> list[UUID]:
    """Record a report; what is none (a holiday notice, RFC 3834 section 4) goes to the mailbox that sent the message.

    Raises RateLimited and HeaderTooLarge.
    """
    if record_report(path, raw) is not ReportFate.NO_REPORT:
        return []
    rows = Message.objects.filter(pk=path.message_id, mailbox__deleted_at__isnull=True)
    return list(rows.values_list("mailbox_id", flat=True))
