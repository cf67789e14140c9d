"""Relay mail to other servers: claim, call the transport, settle, and try deferred recipients again on schedule.

At most once per recipient: an attempt row is written before a transport is called, and marked when the message is
handed over. A process that dies before that mark leaves a retry; one that dies after it leaves `uncertain`, which is
never sent again on its own (ARCHITECTURE.md, the queue is the row).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F

from common.clock import now
from common.db import refuse_in_transaction
from common.nudge import nudge
from mail import limits
from mail.addresses import domain_of
from mail.bounces.refusals import suppression_reason
from mail.bounces.return_path import make_return_path
from mail.domain_selectors import domain_for_sending
from mail.enums import AttemptOutcome, RecipientState
from mail.errors import SendingDomainNotVerified
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SendAttempt
from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult, Transport
from mail.providers.registry import transport
from mail.services.dkim_keys import sign_for_domain
from mail.services.jobs import claim_job, due_jobs
from mail.services.settling import Settlement, settle_recipients
from mail.tracking import outgoing_raw

log = structlog.get_logger(__name__)

_SMTP_TRANSPORTS = frozenset({"smtp", "mx"})


class Turn(StrEnum):
    """How far one call of a transport came."""

    TRIED = "tried"
    PARTLY_TRIED = "partly_tried"
    NOT_TRIED = "not_tried"


def relay_message(message_id: UUID) -> None:
    """Offer one message to the transport now, for every recipient elsewhere that is still pending.

    Safe to call at any time, any number of times.
    """
    refuse_in_transaction("Sending mail")
    due_at = claim_job(message_id, is_relaying=True, lease=limits.RELAY_LEASE)
    if due_at is None:
        return
    _wake_next(due_at)
    _close_broken_attempts(message_id)
    message = Message.objects.select_related("content", "mailbox", "mailbox__identity").filter(pk=message_id).first()
    if message is None:
        return
    pending = message.recipients.filter(state=RecipientState.PENDING).order_by("pk")
    addresses = list(pending.values_list("address", flat=True))
    is_held = message.mailbox.sending_paused_at is not None
    sender = envelope_sender(message.mailbox) if addresses and not is_held else None
    turn = Turn.TRIED
    if sender is not None:
        turn = _send_remotely(message, sender, addresses, transport())
    _finish(message_id, turn)


def envelope_sender(mailbox: Mailbox) -> str | None:
    """Where bounces go: the mailbox itself, or the return path of its domain where that is published.

    None while the domain may not send. Such mail waits like deferred mail, because a DNS record is soon corrected.
    """
    try:
        row = domain_for_sending(mailbox.organization_id, mailbox.sending_domain)
    except SendingDomainNotVerified:
        log.info("mail.domain_held", mailbox_id=str(mailbox.pk))
        return None
    if row is None or not row.has_return_path:
        return mailbox.email_address
    local = mailbox.email_address.rpartition("@")[0]
    address = f"{local}@{row.mail_from_subdomain}.{row.domain}"
    return address if len(address) <= limits.ADDRESS_MAX_CHARS else mailbox.email_address


def _wake_next(due_at: datetime) -> None:
    """A job that waited for long stood in a backlog: then each one wakes another, so that no thread idles meanwhile."""
    if now() - due_at > limits.BACKLOG_WAIT:
        for pk in due_jobs(is_relaying=True, limit=1):
            nudge("mail.relay_message", pk)


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


def _send_remotely(message: Message, sender: str, addresses: Sequence[str], carrier: Transport) -> Turn:
    """One call of the transport, between two short transactions."""
    content = sign_for_domain(outgoing_raw(message), message.mailbox.sending_domain)
    envelope = Envelope(
        message_row_id=message.pk,
        organization_id=message.mailbox.organization_id,
        sender=sender,
        recipients=tuple(addresses),
        content=content,
        return_path=_return_path(message, sender),
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
    untried = {result.address for result in results if result.outcome is Outcome.NOT_TRIED}
    if untried != set(addresses):
        return Turn.TRIED if not untried else Turn.PARTLY_TRIED
    attempt.delete()  # a busy domain would fill the table
    return Turn.NOT_TRIED


def _return_path(message: Message, sender: str) -> Callable[[Sequence[str]], str] | None:
    """Under the return path of the sender's domain where that is published (SPF aligned), else the platform domain."""
    if settings.MAIL_RETURN_PATH != "verp":
        return None
    domain = domain_of(sender)
    is_own = domain not in (settings.MAIL_DOMAIN, message.mailbox.sending_domain)
    return partial(make_return_path, message.pk, domain if is_own else settings.MAIL_DOMAIN)


def _hand_off(attempt: SendAttempt) -> Callable[[], None]:
    def mark() -> None:
        SendAttempt.objects.filter(pk=attempt.pk, handed_off_at__isnull=True).update(handed_off_at=now())

    return mark


def _settlements(
    name: str, addresses: Sequence[str], results: Sequence[RecipientResult], *, is_unknown: bool
) -> dict[str, Settlement]:
    """Deferred recipients are left out: they stay pending for the next attempt."""
    states = {Outcome.ACCEPTED: RecipientState.SENT, Outcome.REFUSED: RecipientState.BOUNCED}
    # Only the recipient's own words count: a provider answers for its account and its API too.
    speaks_smtp = name in _SMTP_TRANSPORTS
    settled = {
        result.address: Settlement(
            states[result.outcome],
            name,
            result.detail,
            result.provider_id,
            suppression_reason(result.detail) if speaks_smtp and result.outcome is Outcome.REFUSED else None,
        )
        for result in results
        if result.outcome in states
    }
    if is_unknown:
        answered = {result.address for result in results}
        unknown = Settlement(RecipientState.UNCERTAIN, name, "The connection broke after the hand-over.")
        settled.update({address: unknown for address in addresses if address not in answered})
    return settled


def _finish(message_id: UUID, turn: Turn) -> None:
    """Close the job, or schedule the next try for deferred recipients; the last refusal makes them failed.

    Recipients whose turn did not come are tried again soon; when that is all of them, it was no try.
    """
    if turn is Turn.NOT_TRIED:
        spread = limits.NOT_TRIED_DELAY * (1 + secrets.SystemRandom().random())
        OutboundJob.objects.filter(pk=message_id).update(
            leased_until=None, due_at=now() + spread, attempts=F("attempts") - 1
        )
        return
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
    if turn is Turn.PARTLY_TRIED:
        delay = min(delay, limits.PARTLY_TRIED_DELAY)
    OutboundJob.objects.filter(pk=message_id).update(leased_until=None, due_at=now() + delay)
