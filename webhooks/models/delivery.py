"""An event on its way to a subscription, and the log of every try."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.scoped import IdentityRows
from identities.models import AgentIdentity, Organization
from webhooks.catalog import INCOMING_CALL, TEST_EVENT
from webhooks.enums import DispatchState
from webhooks.models.event import Event
from webhooks.models.subscription import Subscription


def new_request_id() -> str:
    """`req_<32 hex>`: unguessable, because receivers remember it to drop repeats."""
    return f"req_{secrets.token_hex(16)}"


class Dispatch(models.Model):
    """The queue: one row for an event and a subscription that wants it.

    Rows of one stream get their numbers while its counter is locked, so rising `id` is event order.
    """

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="dispatches", db_index=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="dispatches")
    state = models.CharField(
        max_length=16, default=DispatchState.PENDING.value, choices=[(s.value, s.value) for s in DispatchState]
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=now)
    leased_until = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=64, default=new_request_id, editable=False)
    body = models.TextField(null=True, editable=False, help_text="Only when it differs from the event's.")
    is_replay = models.BooleanField(default=False, help_text="Queued again by its owner.")

    class Meta:
        verbose_name_plural = "dispatches"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["event", "subscription"], name="dispatch_unique"),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in DispatchState]), name="dispatch_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=DispatchState.PENDING.value, next_attempt_at__isnull=False)
                | (~Q(state=DispatchState.PENDING.value) & Q(next_attempt_at__isnull=True)),
                name="dispatch_time_while_pending",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            # Not "state is pending", which says the same: SQLite cannot match that to a bound parameter.
            models.Index(
                fields=["next_attempt_at", "id"], condition=Q(next_attempt_at__isnull=False), name="dispatch_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.subscription_id}"


class DeliveryAttemptQuerySet(IdentityRows["DeliveryAttempt"]):
    """Reads."""


class DeliveryAttempt(models.Model):
    """One request that was made: the `Delivery` of the API (contract webhooks.md 4.4)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    # Without subscription and event: an incoming-call callback, which belongs to a number.
    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, null=True, related_name="deliveries", db_index=False
    )
    event = models.ForeignKey(Event, on_delete=models.CASCADE, null=True, related_name="deliveries")
    phone_number_id = models.UUIDField(null=True)
    event_type = models.CharField(max_length=64)
    url = models.CharField(max_length=2048)
    body = models.TextField(null=True, editable=False, help_text="Only when it differs from the event's.")
    request_id = models.CharField(max_length=64)
    response_status = models.PositiveSmallIntegerField(null=True)
    response_body = models.TextField(null=True)
    error_detail = models.TextField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    is_replay = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now, editable=False, db_index=True)

    objects = DeliveryAttemptQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "-created_at"], name="delivery_organization_newest"),
            models.Index(fields=["identity", "-created_at"], name="delivery_identity_newest"),
            models.Index(fields=["subscription", "-created_at"], name="delivery_subscription_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.id}"

    @property
    def wire_event_id(self) -> str:
        """The event's id; an incoming-call callback has no event and gets one of its own."""
        return self.event_id or f"evt_{self.pk}"

    @property
    def request_payload(self) -> str:
        """The exact text that was signed and posted."""
        if self.body is not None:
            return self.body
        return self.event.body if self.event is not None else ""

    @property
    def is_success(self) -> bool:
        """The endpoint took it."""
        return self.response_status is not None and 200 <= self.response_status <= 299

    @property
    def replay_unavailable_reason(self) -> str | None:
        """Why this row cannot be replayed, None when it can."""
        if self.event_type in (INCOMING_CALL, TEST_EVENT) or self.event_type.startswith("slack."):
            return "event_type_not_replayable"
        if self.event is None or self.subscription is None or not self.subscription.is_active:
            return "subscription_inactive"
        return None if self.event_type in self.subscription.event_types else "event_not_selected"

    @property
    def replayable(self) -> bool:
        return self.replay_unavailable_reason is None
