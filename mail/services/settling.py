"""Record what became of recipients. Transports, provider webhooks, bounces and operators all end here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.db import again_when_undone
from common.nudge import nudge
from mail.delivery import events_between, message_status, next_state
from mail.enums import AttemptOutcome, MessageStatus, RecipientState, SuppressionReason, SuppressionSource
from mail.events import Occurrence, build_events
from mail.models import Message, OutboundRecipient, SendAttempt
from mail.services.suppressions import Failure, suppress_failures
from webhooks.outbox import record_many


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one recipient."""

    state: RecipientState
    transport: str
    detail: str = ""
    provider_id: str = ""
    # Set when the failure says that the address should not be written to again.
    suppress: SuppressionReason | None = None
    source: SuppressionSource = SuppressionSource.SMTP


@again_when_undone
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
            if settlement is not None:
                _settle(message, row, settlement)
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
        if any(found.state is RecipientState.BOUNCED for found in settlements.values()):
            nudge("mail.check_bounces", message.mailbox_id)
        if attempt is not None:
            SendAttempt.objects.filter(pk=attempt.pk).update(outcome=outcome, finished_at=now(), detail=detail[:2000])


def _settle(message: Message, row: OutboundRecipient, settlement: Settlement) -> None:
    """One recipient. What comes late or twice changes nothing of what is known; a failure still names its address."""
    if settlement.suppress is not None:
        failure = Failure(row.address, settlement.suppress, settlement.detail)
        suppress_failures(message.mailbox.organization_id, message.pk, settlement.source, [failure])
    state = next_state(RecipientState(row.state), settlement.state)
    if state == row.state and row.transport:
        return
    row.state = state.value
    row.transport = settlement.transport or row.transport
    row.detail = settlement.detail[:2000]
    row.provider_id = settlement.provider_id[:255] or row.provider_id
    row.save()
