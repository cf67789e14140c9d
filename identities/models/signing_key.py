"""Webhook signing keys, of one identity or (older clients) of the whole organization."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from identities.models.agent import AgentIdentity
from identities.models.organization import Organization


class SigningKey(models.Model):
    """The current key; a rotation replaces the row's secret. Encrypted at rest, because signing needs it in clear."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="signing_keys")
    identity = models.OneToOneField(
        AgentIdentity, on_delete=models.CASCADE, null=True, blank=True, related_name="signing_key"
    )
    sealed_secret = models.BinaryField(editable=False)
    # The secret before the last rotation, which signs beside the new one for a while.
    previous_sealed_secret = models.BinaryField(null=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["organization"], condition=Q(identity__isnull=True), name="signing_key_one_per_organization"
            )
        ]

    def __str__(self) -> str:
        return str(self.identity_id or self.organization_id)
