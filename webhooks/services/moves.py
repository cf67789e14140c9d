"""The log, subscriptions and deliveries of an identity that moves to another organization."""

from __future__ import annotations

from common.clock import now
from identities.models import AgentIdentity
from webhooks.models import DeliveryAttempt, Event, EventLog, EventStream, Subscription


def move_events(identity: AgentIdentity, previous_organization_id: str) -> None:
    """Hand the identity's events and log of deliveries over. Inside the caller's transaction.

    They keep their positions, so the identity's own readers go on where they were. The log of the new organization is
    advanced past that of the old one: otherwise, with the clocks of two hosts apart, new events could get positions
    that such a reader is already past.
    """
    EventStream.objects.filter(pk=identity.pk).update(organization_id=identity.organization_id)
    EventLog.objects.get_or_create(organization_id=identity.organization_id)
    # Locked after the stream and in order, as by the outbox.
    both = [previous_organization_id, identity.organization_id]
    rows = EventLog.objects.select_for_update().filter(pk__in=both).order_by("pk")
    last = max(row.last_position for row in rows)
    EventLog.objects.filter(pk=identity.organization_id).update(last_position=last)
    Event.objects.filter(identity=identity).update(organization_id=identity.organization_id)
    DeliveryAttempt.objects.filter(identity=identity).update(organization_id=identity.organization_id)


def move_subscriptions(identity: AgentIdentity) -> None:
    """Its subscriptions follow, deleted ones too: the log of deliveries refers to them."""
    Subscription.objects.filter(identity=identity).update(organization_id=identity.organization_id, updated_at=now())
