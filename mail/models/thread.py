"""Conversations, per mailbox."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from mail.enums import Folder
from mail.models.mailbox import Mailbox


class ThreadQuerySet(models.QuerySet["Thread"]):
    """Reads."""

    def visible_to(self, principal: Principal, mailbox: Mailbox) -> Self:
        """Threads of a visible mailbox; agent keys never see `blocked` (contract mail.md section 6)."""
        rows = self.filter(mailbox=mailbox, deleted_at__isnull=True)
        return rows.exclude(folder=Folder.BLOCKED) if principal.is_agent else rows


class Thread(models.Model):
    """Messages that answer each other."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="threads")
    subject = models.TextField(null=True, blank=True)
    folder = models.CharField(max_length=16, default=Folder.INBOX.value, choices=[(f.value, f.value) for f in Folder])
    message_count = models.PositiveIntegerField(default=0)
    last_message_at = models.DateTimeField()
    # The brake on mail between agents (mail/services/exchanges.py).
    paused_until = models.DateTimeField(null=True, blank=True)
    paused_reason = models.TextField(null=True, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["mailbox", "-last_message_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="thread_newest",
            ),
            models.Index(
                fields=["mailbox", "folder", "-last_message_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="thread_folder_newest",
            ),
            models.Index(fields=["paused_until"], condition=Q(paused_until__isnull=False), name="thread_paused"),
        ]

    def __str__(self) -> str:
        return str(self.id)
