"""What the world reports about sent mail: reports by mail, events of providers. Settles recipients, fills the lists.

Whatever comes twice, late or out of order ends in the same state: `delivery.next_state` decides alone. Who reports is
checked before: a report counts for the message that its return path was made for, an event for the message whose
provider id it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import structlog
from django.conf import settings

from common import ratelimit
from common.errors import RateLimited
from mail import limits
from mail.addresses import normalize_address
from mail.bounces.refusals import suppression_reason
from mail.bounces.reports import Action, RecipientReport, Report, failures_in_text, parse_report
from mail.bounces.return_path import ReturnPath, covered
from mail.enums import Direction, RecipientState, SuppressionReason, SuppressionSource
from mail.models import Message, OutboundRecipient
from mail.services.settling import Settlement, settle_recipients

log = structlog.get_logger(__name__)


class ReportFate(StrEnum):
    """What became of a message that came to a return path."""

    TAKEN = "taken"
    # A person or a holiday notice answered to the return path: mail for the mailbox that sent the message.
    NO_REPORT = "no_report"
    # The message it is about is gone, or never went to these recipients.
    UNKNOWN = "unknown"


def record_report(path: ReturnPath, raw: bytes) -> ReportFate:
    """Believe a report that came to `path`, for the recipients that the path covers.

    Raises RateLimited for more reports about one message than it can have (a loop or a flood), HeaderTooLarge.
    """
    rows = OutboundRecipient.objects.filter(message_id=path.message_id, message__direction=Direction.OUTBOUND)
    addresses = covered(path, rows.values_list("address", flat=True))
    if not addresses:
        return ReportFate.UNKNOWN
    try:
        ratelimit.hit("bounces", str(path.message_id), limits.REPORTS_PER_MESSAGE_PER_MINUTE)
    except RateLimited:
        log.warning("mail.report_flood", message=str(path.message_id))
        raise
    report = parse_report(raw)
    if report is None:
        return ReportFate.NO_REPORT
    _settle(path.message_id, addresses, report)
    return ReportFate.TAKEN


def record_mailbox_report(mailbox_ids: Sequence[UUID], raw: bytes) -> None:
    """A report that came to mailboxes, for an installation that sends with the mailbox as its return path.

    Anybody may write to a mailbox, so only the Message-ID of the original tells; those who know it are its recipients
    and the servers in between. For that reason such a report settles a message, and lists an address only when the
    message went to nobody else.
    """
    if settings.MAIL_RETURN_PATH != "sender" or (report := parse_report(raw)) is None:
        return
    if report.original_message_id is None:
        return
    message = (
        Message.objects.alive()
        .filter(mailbox_id__in=mailbox_ids, message_id=report.original_message_id, direction=Direction.OUTBOUND)
        .first()
    )
    if message is not None:
        addresses = tuple(message.recipients.values_list("address", flat=True))
        _settle(message.pk, addresses, report, may_suppress=len(addresses) == 1)


def _settle(message_id: UUID, addresses: Sequence[str], report: Report, *, may_suppress: bool = True) -> None:
    reports = [*report.recipients, *failures_in_text(report, addresses)]
    settlements: dict[str, Settlement] = {}
    for found in reports:
        address = _addressed(found, addresses)
        settlement = _settlement(found, may_suppress=may_suppress)
        if address is not None and settlement is not None:
            settlements[address] = settlement
    if settlements:
        settle_recipients(message_id, settlements)
    log.info("mail.report", message=str(message_id), recipients=len(settlements))


def _addressed(report: RecipientReport, addresses: Sequence[str]) -> str | None:
    """Which recipient a report is about. A forwarded copy fails under an address that nobody here wrote to; when there
    was one recipient only, it is meant all the same."""
    by_key = {normalize_address(address): address for address in addresses}
    for named in report.addresses:
        if (found := by_key.get(normalize_address(named))) is not None:
            return found
    return addresses[0] if len(addresses) == 1 else None


def _settlement(report: RecipientReport, *, may_suppress: bool) -> Settlement | None:
    """None for what changes nothing: a delay, a hand-over to a system that reports no further."""
    if report.action is Action.DELIVERED:
        return Settlement(RecipientState.DELIVERED, "", report.detail)
    if report.action is Action.COMPLAINED:
        suppress: SuppressionReason | None = SuppressionReason.COMPLAINT
    elif report.action is not Action.FAILED:
        return None
    elif report.is_temporary:
        return Settlement(RecipientState.FAILED, "", report.detail)
    else:
        suppress = suppression_reason(report.detail)
    return Settlement(
        RecipientState.BOUNCED,
        "",
        report.detail,
        suppress=suppress if may_suppress else None,
        source=SuppressionSource.BOUNCE,
    )


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What a provider says about one recipient of one message."""

    transport: str
    address: str
    settlement: Settlement
    # The id that the provider gave the message.
    provider_id: str = ""
    # The id of the row, from providers that send back what they were told: it is known before theirs is.
    message_id: UUID | None = None
    # False from a provider that reports on each recipient of a message without saying on which.
    names_recipient: bool = True


def record_provider_event(event: ProviderEvent) -> bool:
    """Settle the recipient that an event is about; False when it is about no message that went through this transport.

    Such events are ignored: another program may use the same account.
    """
    wanted = normalize_address(event.address)
    rows = OutboundRecipient.objects.none()
    if event.message_id is not None:
        rows = OutboundRecipient.objects.filter(
            message_id=event.message_id, message__attempts__transport=event.transport
        ).distinct()
    if event.provider_id:
        by_id = OutboundRecipient.objects.filter(provider_id=event.provider_id, transport=event.transport)
        rows = rows if rows.exists() else by_id
    found = list(rows.values_list("message_id", "address"))
    if not event.names_recipient and len(found) > 1:
        # A guess would settle, and perhaps suppress, somebody whom the mail did reach.
        log.info("mail.provider_event_unclear", provider=event.transport, message=str(found[0][0]))
        return True
    for message_id, address in found:
        if normalize_address(address) == wanted:
            settle_recipients(message_id, {address: event.settlement})
            return True
    return False
