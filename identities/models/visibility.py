"""Which identities an agent may look at besides its own."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from common.clock import now
from common.ids import uuid7
from identities.models.agent import AgentIdentity


class IdentityAccess(models.Model):
    """`viewer` may read `target`; without a viewer every agent of the organization may.

    A target has no rows, one without viewer, or some with: the service keeps the two kinds apart.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    target = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, related_name="access", db_index=False)
    viewer = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, related_name="+", null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name_plural = "identity access"
        ordering: ClassVar[list[str]] = ["created_at", "pk"]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["target", "viewer"], name="identity_access_once"),
            models.UniqueConstraint(
                fields=["target"], condition=Q(viewer__isnull=True), name="identity_access_one_wildcard"
            ),
            models.CheckConstraint(condition=~Q(target=F("viewer")), name="identity_access_of_another"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id or 'every agent'} on {self.target_id}"
