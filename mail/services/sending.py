"""Send queued mail: claim, deliver local recipients, hand the others to a transport, settle.

At most once per recipient: an attempt row is written before a transport is called, and marked when the message is
handed over. A process that dies before that mark leaves a retry; one that dies after it leaves `uncertain`, which is
never sent again on its own (ARCHITECTURE.md, the queue is the row).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q

from common.clock import now
from common.db import refuse_in_transaction
from common.nudge import nudge
from mail import limits
from mail.addresses import domain_of, normalize_address
from mail.delivery import events_between, message_status, next_state
from mail.domains import is_hosted_domain
from mail.enums import AttemptOutcome, MessageStatus, RecipientState
from mail.events import Occurrence, build_events
from mail.mime.parse import parse_mail
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SendAttempt
from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult, Transport
from mail.providers.registry import transport
from mail.raw import StoredRaw, load_raw
from mail.services.dkim_keys import sign_for_domain
from mail.services.receiving import InboundMail, accept_batch
from webhooks.outbox import record_many

log = structlog.get_logger(__name__)

_SWEEP_LIMIT = 500
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one recipient."""

    state: RecipientState
    transport: str
    detail: str = ""
    provider_id: str = ""


def send_message(message_id: UUID) -> None:
    """Deliver one queued message as far as possible now. Safe to call at any time, any number of times."""
    refuse_in_transaction("Sending mail")
    if not _claim(message_id):
        return
    _close_broken_attempts(message_id)
    message = Message.objects.select_related("content", "mailbox", "mailbox__identity").filter(pk=message_id).first()
    if message is None:
        return
    pending = list(message.recipients.filter(state=RecipientState.PENDING).order_by("pk"))
    local, remote = _split(pending)
    if local:
        _deliver_locally(message, local)
    if remote:
        _send_remotely(message, [row.address for row in remote], transport())
    _finish(message_id)


def send_due() -> int:
    """Send what is due or was left behind by a dead worker; returns how many messages were looked at."""
    moment = now()
    due = (
        OutboundJob.objects.filter(
            Q(leased_until__isnull=True) | Q(leased_until__lt=moment), is_open=True, due_at__lte=moment
        )
        .order_by("due_at")
        .values_list("pk", flat=True)[:_SWEEP_LIMIT]
    )
    ids = list(due)
    for message_id in ids:
        nudge("mail.send_message", message_id)
    return len(ids)


def release_leases() -> int:
    """Free the jobs of a process that is known to be dead, instead of waiting for their leases to run out.

    Only for a process that is alone with its database (the embedded profile), when it starts.
    """
    return OutboundJob.objects.filter(is_open=True, leased_until__isnull=False).update(leased_until=None)


def _claim(message_id: UUID) -> bool:
    """Lease the job: of all workers that try, one succeeds."""
    moment = now()
    return bool(
        OutboundJob.objects.filter(
            Q(leased_until__isnull=True) | Q(leased_until__lt=moment), pk=message_id, is_open=True, due_at__lte=moment
        ).update(leased_until=moment + limits.SEND_LEASE, attempts=F("attempts") + 1)
    )


def _close_broken_attempts(message_id: UUID) -> None:
    """Attempts of a worker that died: harmless before the hand-off, uncertain after it."""
    for attempt in SendAttempt.objects.filter(message_id=message_id, outcome=AttemptOutcome.OPEN):
        if attempt.handed_off_at is None:
            SendAttempt.objects.filter(pk=attempt.pk).update(outcome=AttemptOutcome.ABANDONED, finished_at=now())
            continue
        pending = OutboundRecipient.objects.filter(message_id=message_id, state=RecipientState.PENDING)
        addresses = [a for a in pending.values_list("address", flat=True) if a in set(attempt.addresses)]
        unknown = Settlement(RecipientState.UNCERTAIN, attempt.transport, "The process stopped during the hand-over.")
        settle_recipients(message_id, dict.fromkeys(addresses, unknown), attempt, AttemptOutcome.UNCERTAIN)


def _split(rows: Iterable[OutboundRecipient]) -> tuple[list[OutboundRecipient], list[OutboundRecipient]]:
    """Recipients on this server, and the others. Everything on the platform domain is ours, known or not."""
    rows = list(rows)
    known = set(
        Mailbox.objects.alive()
        .filter(email_address__in=[normalize_address(row.address) for row in rows])
        .values_list("email_address", flat=True)
    )
    local = [row for row in rows if normalize_address(row.address) in known or is_hosted_domain(domain_of(row.address))]
    taken = {row.pk for row in local}
    return local, [row for row in rows if row.pk not in taken]


def _deliver_locally(message: Message, rows: Sequence[OutboundRecipient]) -> None:
    """Straight to the receiving service; receipt and settlement commit together, so this is exactly once."""
    raw = load_raw(message.content)
    parsed = parse_mail(raw)
    with transaction.atomic():
        boxes = dict(
            Mailbox.objects.alive()
            .filter(email_address__in=[normalize_address(row.address) for row in rows])
            .values_list("email_address", "pk")
        )
        found = tuple(boxes.values())
        if found:
            stored = StoredRaw(raw if message.content.raw_inline is not None else None, message.content.raw_key)
            accept_batch([InboundMail(parsed, stored, len(raw), found)])
        settlements = {
            row.address: Settlement(RecipientState.DELIVERED, LOCAL)
            if normalize_address(row.address) in boxes
            else Settlement(RecipientState.BOUNCED, LOCAL, "550 5.1.1 No mailbox with this address.")
            for row in rows
        }
        settle_recipients(message.pk, settlements)


def _send_remotely(message: Message, addresses: Sequence[str], carrier: Transport) -> None:
    """One call of the transport, between two short transactions."""
    content = sign_for_domain(load_raw(message.content), message.mailbox.sending_domain)
    envelope = Envelope(
        message_row_id=message.pk,
        organization_id=message.mailbox.organization_id,
        sender=message.mailbox.email_address,
        recipients=tuple(addresses),
        content=content,
    )
    attempt = SendAttempt.objects.create(message=message, transport=carrier.name, addresses=list(addresses))
    outcome, detail = AttemptOutcome.FINISHED, ""
    results: Sequence[RecipientResult] = ()
    try:
        results = carrier.send(envelope, _hand_off(attempt))
    except OutcomeUnknown as error:
        outcome, detail = AttemptOutcome.UNCERTAIN, str(error)
        results = getattr(error, "results", ())
    except Exception as error:
        # A bug or a full disk in a transport: before the hand-off nothing was sent, after it nobody knows.
        log.exception("mail.transport_failed", transport=carrier.name, message=str(message.pk))
        attempt.refresh_from_db(fields=["handed_off_at"])
        detail = type(error).__name__
        if attempt.handed_off_at is not None:
            outcome = AttemptOutcome.UNCERTAIN
    settlements = _settlements(carrier.name, addresses, results, is_unknown=outcome is AttemptOutcome.UNCERTAIN)
    settle_recipients(message.pk, settlements, attempt, outcome, detail)


def _hand_off(attempt: SendAttempt) -> Callable[[], None]:
    def mark() -> None:
        SendAttempt.objects.filter(pk=attempt.pk, handed_off_at__isnull=True).update(handed_off_at=now())

    return mark


def _settlements(
    name: str, addresses: Sequence[str], results: Sequence[RecipientResult], *, is_unknown: bool
) -> dict[str, Settlement]:
    """Deferred recipients are left out: they stay pending for the next attempt."""
    states = {Outcome.ACCEPTED: RecipientState.SENT, Outcome.REFUSED: RecipientState.BOUNCED}
    settled = {
        result.address: Settlement(states[result.outcome], name, result.detail, result.provider_id)
        for result in results
        if result.outcome in states
    }
    if is_unknown:
        answered = {result.address for result in results}
        unknown = Settlement(RecipientState.UNCERTAIN, name, "The connection broke after the hand-over.")
        settled.update({address: unknown for address in addresses if address not in answered})
    return settled


def settle_recipients(
    message_id: UUID,
    settlements: Mapping[str, Settlement],
    attempt: SendAttempt | None = None,
    outcome: AttemptOutcome = AttemptOutcome.FINISHED,
    detail: str = "",
) -> None:
    """Record what became of recipients, the message's status, and the events that follow, in one transaction."""
    with transaction.atomic():
        message = (
            Message.objects.select_for_update(of=("self",))
            .select_related("mailbox", "mailbox__identity")
            .get(pk=message_id)
        )
        rows = list(OutboundRecipient.objects.filter(message=message).order_by("pk"))
        for row in rows:
            settlement = settlements.get(row.address)
            if settlement is None:
                continue
            row.state = next_state(RecipientState(row.state), settlement.state).value
            row.transport, row.detail = settlement.transport, settlement.detail[:2000]
            row.provider_id = settlement.provider_id[:255]
            row.save()
        before = MessageStatus(message.status)
        after = message_status(RecipientState(row.state) for row in rows)
        if after == MessageStatus.QUEUED:
            after = before  # what was sent once does not become unsent
        if after != before:
            message.status = after.value
            message.provider_message_id = message.provider_message_id or next(
                (row.provider_id for row in rows if row.provider_id), None
            )
            message.updated_at = now()
            message.save(update_fields=["status", "provider_message_id", "updated_at"])
        events = events_between(before, after, is_forward=message.is_forward)
        record_many(build_events([Occurrence(event, message, message.mailbox) for event in events]))
        if attempt is not None:
            SendAttempt.objects.filter(pk=attempt.pk).update(outcome=outcome, finished_at=now(), detail=detail[:2000])


def _finish(message_id: UUID) -> None:
    """Close the job, or schedule the next try for deferred recipients; the last refusal makes them failed."""
    job = OutboundJob.objects.get(pk=message_id)
    pending = OutboundRecipient.objects.filter(message_id=message_id, state=RecipientState.PENDING)
    addresses = list(pending.values_list("address", flat=True))
    if addresses and job.attempts > len(limits.RETRY_DELAYS):
        given_up = Settlement(RecipientState.FAILED, "", "Every retry was exhausted.")
        settle_recipients(message_id, dict.fromkeys(addresses, given_up))
        addresses = []
    if not addresses:
        OutboundJob.objects.filter(pk=message_id).update(is_open=False, leased_until=None)
        return
    delay = limits.RETRY_DELAYS[job.attempts - 1]
    OutboundJob.objects.filter(pk=message_id).update(leased_until=None, due_at=now() + delay)
