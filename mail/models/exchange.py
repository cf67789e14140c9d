"""How much a mailbox has lately written to another one on this server."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from mail.models.mailbox import Mailbox


class Exchange(models.Model):
    """One direction between two mailboxes: a leaky bucket (mail/brakes.py), and the pause when it ran over."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="exchanges")
    peer = models.CharField(max_length=254, help_text="Address of the other mailbox.")
    level = models.FloatField(default=0)
    counted_at = models.DateTimeField(default=now)
    paused_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [models.UniqueConstraint(fields=["mailbox", "peer"], name="exchange_once")]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["counted_at"], name="exchange_counted"),
            models.Index(fields=["mailbox"], condition=Q(paused_until__isnull=False), name="exchange_paused"),
        ]

    def __str__(self) -> str:
        return str(self.id)
