"""Text of attachments. A pending row is the request to extract it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from mail.enums import TextStatus
from mail.models.message import Message


class AttachmentText(models.Model):
    """One attachment of one message, of a kind that text can be extracted from."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachment_texts")
    part_index = models.PositiveIntegerField(help_text="As in the message's attachment_metadata.")
    status = models.CharField(
        max_length=8, default=TextStatus.PENDING.value, choices=[(s.value, s.value) for s in TextStatus]
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Why there is no text.")
    text = models.TextField(null=True)
    is_cut = models.BooleanField(default=False, help_text="The file has more text than is kept.")
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["message", "part_index"], name="attachment_text_once")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["-id"], condition=Q(status="pending"), name="attachment_text_pending"),
        ]

    def __str__(self) -> str:
        return str(self.id)
