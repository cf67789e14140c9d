"""Mail of the server itself: verification codes, password resets, invitations. No agent sees or sends it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from mail.enums import PlatformMailState


class PlatformMail(models.Model):
    """One message to one recipient. The row is the queue; its content is erased once it was handed over."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sender = models.CharField(max_length=320)
    recipient = models.CharField(max_length=320)
    subject = models.TextField(blank=True)
    # Complete RFC 5322 bytes. They hold codes and sign-in links, so they go as soon as they are not needed.
    raw = models.BinaryField(null=True, editable=False)
    state = models.CharField(
        max_length=16, default=PlatformMailState.QUEUED.value, choices=[(s.value, s.value) for s in PlatformMailState]
    )
    due_at = models.DateTimeField(default=now)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    detail = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "platform mail"
        ordering: ClassVar[list[str]] = ["-created_at"]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["due_at"], condition=Q(state="queued"), name="platform_mail_due"),
            models.Index(fields=["finished_at"], name="platform_mail_finished"),
        ]

    def __str__(self) -> str:
        return str(self.id)
