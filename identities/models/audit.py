"""The audit log: one hash chain per organization, whose rows are never touched again (identities/audit_chain.py)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models

from common.actor import ActorKind
from common.clock import now
from common.ids import uuid7
from common.principal import Principal


class AuditRecordQuerySet(models.QuerySet["AuditRecord"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """The log of the organization, for admin keys and members."""
        rows = self.filter(organization_id=principal.organization_id)
        return rows if principal.sees_organization else rows.none()


class AuditRecord(models.Model):
    """One administrative act. No foreign keys: the log outlives what it speaks of, the organization too."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization_id = models.CharField(max_length=64)
    # 1, 2, 3 and so on within the organization.
    seq = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=now)
    actor_kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in ActorKind])
    actor_id = models.CharField(max_length=64, blank=True)
    # Names as they were then, because who acted and what was acted on may be gone.
    actor_label = models.CharField(max_length=320, blank=True)
    action = models.CharField(max_length=48)
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField(max_length=320, blank=True)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    objects = AuditRecordQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization_id", "seq"], name="audit_seq_unique")
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq}: {self.action}"


class AuditHead(models.Model):
    """The end of an organization's chain: what writers lock, and what tells when the last rows were cut off."""

    organization_id = models.CharField(primary_key=True, max_length=64)
    seq = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq}"
