"""Addresses that nothing is sent to: an organization's own list, and the operator's for everybody."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.models import Organization
from mail.enums import SuppressionReason, SuppressionSource
from mail.models.message import Message


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    """Reads."""

    def active(self) -> Self:
        """Without expired ones."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now()))

    def visible_to(self, principal: Principal) -> Self:
        """The list of the caller's organization. Agents do not see it, and nobody but operators sees theirs."""
        return self.filter(organization_id=principal.organization_id) if principal.sees_organization else self.none()


class Suppression(models.Model):
    """One address on a list; `organization` is empty on the operator's."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="suppressions",
        help_text="Empty: nobody on this server sends to the address.",
    )
    address = models.CharField(max_length=320, help_text="Lower case.")
    reason = models.CharField(
        max_length=16,
        choices=[(r.value, r.value) for r in SuppressionReason],
        default=SuppressionReason.MANUAL.value,
    )
    source = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in SuppressionSource],
        default=SuppressionSource.OPERATOR.value,
    )
    detail = models.TextField(blank=True, help_text="What the other server said, or a note.")
    message = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until somebody removes it.")

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "address"], name="suppression_once"),
            models.UniqueConstraint(
                fields=["address"], condition=Q(organization__isnull=True), name="suppression_once_for_all"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "-created_at", "-id"], name="suppression_newest"),
            models.Index(fields=["expires_at"], condition=Q(expires_at__isnull=False), name="suppression_expiry"),
        ]

    def __str__(self) -> str:
        return str(self.id)
