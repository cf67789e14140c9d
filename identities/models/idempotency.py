"""Idempotency rows of message sends (contract mail.md section 5). Used by every channel that sends."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from common.clock import now
from common.ids import uuid7
from identities.enums import IdempotencyState
from identities.models.organization import Organization


class IdempotencyRecord(models.Model):
    """One key of one sender and operation, with the response it produced."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    # The mailbox or number for `Prefer: idempotency-replay`; empty for the older organization-wide rule.
    sender = models.CharField(max_length=64, blank=True)
    operation = models.CharField(max_length=32)
    key = models.CharField(max_length=255)
    body_hash = models.BinaryField(max_length=32)
    state = models.CharField(max_length=16, choices=[(s.value, s.value) for s in IdempotencyState])
    resource_id = models.UUIDField(null=True)
    response_status = models.PositiveSmallIntegerField(null=True)
    response_body = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=now, db_index=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["organization", "sender", "operation", "key"], name="idempotency_key_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.id}"
