"""Whom messages are with: what a mailbox's mail is found by when somebody asks for one person's."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from mail.models.mailbox import Mailbox
from mail.models.message import Message


class Correspondent(models.Model):
    """The sender of a received message, or one recipient of a sent one.

    `address` is in the form that addresses are compared in; `occurred_at` is the message's created_at.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="correspondents")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    address = models.TextField()
    occurred_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["mailbox", "address", "occurred_at", "message"], name="correspondent_in_time"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} with {self.address}"
