"""Send mail of the server itself. The row is the queue (ARCHITECTURE.md).

At least once: a second copy of a verification mail is harmless, a missing one is not.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models import F, Q, QuerySet

from common.clock import now
from common.db import refuse_in_transaction
from common.nudge import nudge
from mail import limits
from mail.addresses import domain_of, normalize_address
from mail.domains import hosted_domains
from mail.enums import PlatformMailState
from mail.mime.parse import parse_mail
from mail.models import Mailbox, PlatformMail
from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult
from mail.providers.registry import transport
from mail.raw import store_raw
from mail.services.dkim_keys import sign_for_domain
from mail.services.receiving import InboundMail, accept_batch

log = structlog.get_logger(__name__)


def queue_platform_mail(*, sender: str, recipient: str, subject: str, raw: bytes) -> PlatformMail:
    """Queue one message inside the caller's transaction; it leaves once that commits."""
    row = PlatformMail.objects.create(sender=sender, recipient=recipient, subject=subject, raw=raw)
    nudge("mail.send_platform_mail", row.pk)
    return row


def send_platform_mail(mail_id: UUID) -> None:
    """Send one queued message. Safe to call at any time, any number of times."""
    refuse_in_transaction("Sending mail")
    if not _claim(mail_id):
        return
    row = PlatformMail.objects.get(pk=mail_id)
    result = _deliver(row)
    if result.outcome is Outcome.ACCEPTED:
        _finish(row, PlatformMailState.SENT, result.detail)
    elif result.outcome is Outcome.REFUSED or row.attempts > len(limits.RETRY_DELAYS):
        log.warning("mail.platform_mail_failed", mail=str(row.pk))
        _finish(row, PlatformMailState.FAILED, result.detail)
    else:
        PlatformMail.objects.filter(pk=row.pk).update(
            leased_until=None, due_at=now() + limits.RETRY_DELAYS[row.attempts - 1], detail=result.detail[:2000]
        )


def wake_due_platform_mail() -> int:
    """Wake workers for what a lost nudge or a dead worker left; returns for how many messages."""
    due = list(_due().order_by("due_at").values_list("pk", flat=True)[: limits.RELAY_SWEEP])
    for pk in due:
        nudge("mail.send_platform_mail", pk)
    return len(due)


def release_platform_leases() -> int:
    """Free what a process that is known to be dead had claimed (embedded profile, at the start)."""
    return PlatformMail.objects.filter(state=PlatformMailState.QUEUED, leased_until__isnull=False).update(
        leased_until=None
    )


def purge_platform_mail() -> int:
    """Forget what was sent or given up some time ago; returns how many rows went."""
    cutoff = now() - limits.PLATFORM_MAIL_RETENTION
    return PlatformMail.objects.filter(finished_at__lt=cutoff).delete()[0]


def _due() -> QuerySet[PlatformMail]:
    moment = now()
    return PlatformMail.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=moment),
        state=PlatformMailState.QUEUED,
        due_at__lte=moment,
    )


def _claim(mail_id: UUID) -> bool:
    lease = now() + limits.RELAY_LEASE
    return bool(_due().filter(pk=mail_id).update(leased_until=lease, attempts=F("attempts") + 1))


def _deliver(row: PlatformMail) -> RecipientResult:
    raw = bytes(row.raw or b"")
    address = normalize_address(row.recipient)
    box = Mailbox.objects.alive().filter(email_address=address).values_list("pk", flat=True).first()
    if box is not None:
        accept_batch([InboundMail(parse_mail(raw), store_raw(raw), len(raw), (box,))])
        return RecipientResult(row.recipient, Outcome.ACCEPTED, "Delivered on this server.")
    if domain_of(address) in hosted_domains({domain_of(address)}):
        return RecipientResult(row.recipient, Outcome.REFUSED, "550 5.1.1 No mailbox with this address.")
    return _relay(row, raw)


def _relay(row: PlatformMail, raw: bytes) -> RecipientResult:
    envelope = Envelope(
        message_row_id=row.pk,
        organization_id="",
        sender=row.sender,
        recipients=(row.recipient,),
        content=sign_for_domain(raw, domain_of(row.sender)),
    )
    try:
        [result] = transport().send(envelope, lambda: None)
    except OutcomeUnknown as error:
        return RecipientResult(row.recipient, Outcome.DEFERRED, str(error))
    except Exception as error:
        log.exception("mail.transport_failed", mail=str(row.pk))
        return RecipientResult(row.recipient, Outcome.DEFERRED, type(error).__name__)
    return result


def _finish(row: PlatformMail, state: PlatformMailState, detail: str) -> None:
    PlatformMail.objects.filter(pk=row.pk).update(
        state=state.value, raw=None, leased_until=None, finished_at=now(), detail=detail[:2000]
    )
