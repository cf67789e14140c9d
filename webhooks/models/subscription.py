"""Who wants which events where (contract webhooks.md section 2)."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.scoped import IdentityRows
from common.sealed import seal, unseal
from identities.models import AgentIdentity, Organization
from webhooks.catalog import families
from webhooks.enums import CircuitState, Selector, SubscriptionStatus

_SEAL = "webhook-auth-token"
_ACTIVE = Q(status=SubscriptionStatus.ACTIVE.value)


def seal_token(token: str | None) -> bytes | None:
    """The stored form of a receiver's bearer token."""
    return None if token is None else seal(_SEAL, token.encode())


def open_token(sealed: bytes | memoryview | None) -> str | None:
    """The token in clear. Raises cryptography.exceptions.InvalidTag when the server key changed."""
    return None if sealed is None else unseal(_SEAL, bytes(sealed)).decode()


class SubscriptionQuerySet(IdentityRows["Subscription"]):
    """Reads."""

    def active(self) -> Self:
        """Without deleted ones."""
        return self.filter(status=SubscriptionStatus.ACTIVE.value)


class Subscription(models.Model):
    """One URL for a list of events of one owner.

    The owner is `identity`, except for a mailbox or number that no identity holds. `mailbox_id` or `phone_number_id`
    is set when the row was created with that selector, because older clients filter and compare on it; with neither,
    the selector was the identity.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    mailbox_id = models.UUIDField(null=True, blank=True)
    phone_number_id = models.UUIDField(null=True, blank=True)
    url = models.CharField(max_length=2048)
    event_types = models.JSONField(default=list)
    status = models.CharField(
        max_length=16,
        default=SubscriptionStatus.ACTIVE.value,
        choices=[(s.value, s.value) for s in SubscriptionStatus],
    )
    context_config = models.JSONField(null=True, blank=True)
    sealed_auth_token = models.BinaryField(null=True, editable=False)
    standard_webhooks = models.BooleanField(
        default=False, help_text="Also send the headers of the Standard Webhooks specification."
    )
    is_legacy = models.BooleanField(default=False, help_text="Mirrors the webhook URL field of a mailbox or number.")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(mailbox_id__isnull=True) | Q(phone_number_id__isnull=True),
                name="subscription_one_selector",
            ),
            models.CheckConstraint(
                condition=Q(identity__isnull=False) | Q(mailbox_id__isnull=False) | Q(phone_number_id__isnull=False),
                name="subscription_has_owner",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in SubscriptionStatus]), name="subscription_status_known"
            ),
            models.UniqueConstraint(
                fields=["mailbox_id"],
                condition=_ACTIVE & Q(is_legacy=True, mailbox_id__isnull=False),
                name="subscription_legacy_mailbox",
            ),
            models.UniqueConstraint(
                fields=["phone_number_id"],
                condition=_ACTIVE & Q(is_legacy=True, phone_number_id__isnull=False),
                name="subscription_legacy_number",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["mailbox_id"], condition=Q(mailbox_id__isnull=False), name="subscription_mailbox"),
            models.Index(
                fields=["phone_number_id"], condition=Q(phone_number_id__isnull=False), name="subscription_number"
            ),
            models.Index(fields=["organization", "-created_at"], name="subscription_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.selector} subscription {self.id}"

    @property
    def selector(self) -> Selector:
        """What the row was created with."""
        if self.mailbox_id is not None:
            return Selector.MAILBOX
        return Selector.PHONE_NUMBER if self.phone_number_id is not None else Selector.IDENTITY

    @property
    def selector_id(self) -> UUID:
        """The id of the mailbox, number or identity it was created with."""
        found = self.mailbox_id or self.phone_number_id or self.identity_id
        assert found is not None
        return found

    @property
    def agent_identity_id(self) -> UUID | None:
        """The identity, for rows created with it; rows of older selectors answer null here."""
        return self.identity_id if self.selector is Selector.IDENTITY else None

    @property
    def circuit(self) -> EndpointHealth:
        """How its endpoint does; an endpoint that has never failed has no row."""
        try:
            return self.health
        except EndpointHealth.DoesNotExist:
            return EndpointHealth(subscription=self)

    @property
    def is_active(self) -> bool:
        return self.status == SubscriptionStatus.ACTIVE

    @property
    def is_mixed(self) -> bool:
        """Events of more than one family; shown and changed only with `scope=identity`."""
        return len(families(self.event_types)) > 1

    @property
    def has_auth_token(self) -> bool:
        return self.sealed_auth_token is not None

    @property
    def auth_token(self) -> str | None:
        """The bearer token in clear. Raises cryptography.exceptions.InvalidTag when the server key changed."""
        return open_token(self.sealed_auth_token)


class EndpointHealthQuerySet(models.QuerySet["EndpointHealth"]):
    """Reads."""

    def impaired(self) -> Self:
        """Endpoints that are not being sent to, of active subscriptions."""
        return self.exclude(state=CircuitState.CLOSED.value).filter(
            subscription__status=SubscriptionStatus.ACTIVE.value
        )


class EndpointHealth(models.Model):
    """The circuit breaker of a subscription's endpoint (webhooks/circuit.py). The first failure makes the row."""

    subscription = models.OneToOneField(Subscription, on_delete=models.CASCADE, primary_key=True, related_name="health")
    state = models.CharField(
        max_length=8, default=CircuitState.CLOSED.value, choices=[(s.value, s.value) for s in CircuitState]
    )
    failures = models.PositiveIntegerField(default=0)
    opens = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    is_reported = models.BooleanField(default=False)
    reported_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.TextField(null=True)

    objects = EndpointHealthQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "endpoint health"
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(condition=Q(state__in=[s.value for s in CircuitState]), name="circuit_state_known"),
            models.CheckConstraint(
                condition=~Q(state=CircuitState.OPEN.value) | Q(retry_at__isnull=False), name="open_circuit_is_retried"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["retry_at"], condition=~Q(state=CircuitState.CLOSED.value), name="circuit_impaired")
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.state}"
