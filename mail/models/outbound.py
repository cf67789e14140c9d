"""Outgoing mail. The job row is the queue; an attempt row is written before a transport is called."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from mail.enums import AttemptOutcome, RecipientKind, RecipientState
from mail.models.message import Message


class OutboundJob(models.Model):
    """One message that is being sent. `is_open` until every recipient is settled."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="job")
    is_open = models.BooleanField(default=True)
    # Recipients on this server have theirs; what is left is for other servers, and has threads of its own.
    is_relaying = models.BooleanField(default=False, db_default=False)
    due_at = models.DateTimeField(default=now)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        indexes: ClassVar[list[Any]] = [models.Index(fields=["due_at"], condition=Q(is_open=True), name="outbound_due")]

    def __str__(self) -> str:
        return str(self.message_id)


class OutboundRecipient(models.Model):
    """One recipient of an outgoing message."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recipients")
    address = models.CharField(max_length=320)
    kind = models.CharField(max_length=3, choices=[(k.value, k.value) for k in RecipientKind])
    state = models.CharField(
        max_length=16, default=RecipientState.PENDING.value, choices=[(s.value, s.value) for s in RecipientState]
    )
    transport = models.CharField(max_length=32, blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    detail = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["message", "address"], name="outbound_recipient_once")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="outbound_by_provider_id")
        ]

    def __str__(self) -> str:
        return f"{self.message_id}: {self.state}"


class SendAttempt(models.Model):
    """One call of a transport. `handed_off_at` marks the moment after which a crash leaves the outcome unknown."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts")
    transport = models.CharField(max_length=32)
    addresses = models.JSONField(default=list)
    outcome = models.CharField(
        max_length=16, default=AttemptOutcome.OPEN.value, choices=[(o.value, o.value) for o in AttemptOutcome]
    )
    started_at = models.DateTimeField(default=now)
    handed_off_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    detail = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.transport} {self.outcome}"


class SandboxMail(models.Model):
    """What the sandbox transport took instead of sending it. Kept until an operator deletes it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, related_name="sandboxed")
    organization_id = models.CharField(max_length=64, db_index=True)
    envelope_from = models.CharField(max_length=320)
    recipients = models.JSONField(default=list)
    subject = models.TextField(blank=True)
    raw_inline = models.BinaryField(null=True)
    raw_key = models.CharField(max_length=64, null=True, db_index=True)
    size_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name_plural = "sandbox mail"
        ordering: ClassVar[list[str]] = ["-created_at"]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization_id", "-created_at", "-id"], name="sandbox_newest")
        ]

    def __str__(self) -> str:
        return str(self.id)
