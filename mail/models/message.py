"""Messages. The row that lists read is narrow; bodies and the raw message live in MessageContent."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from mail.approvals import ApprovalState
from mail.enums import Direction, MessageStatus
from mail.models.mailbox import Mailbox
from mail.models.thread import Thread


class MessageQuerySet(models.QuerySet["Message"]):
    """Reads."""

    def alive(self) -> Self:
        """Without deleted ones."""
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, principal: Principal, mailbox: Mailbox | models.QuerySet[Mailbox, Any]) -> Self:
        """Messages of a visible mailbox (or of the one a query finds); agent keys never see blocked ones."""
        rows = self.alive().filter(mailbox=mailbox)
        return rows.filter(is_blocked=False) if principal.is_agent else rows


class Message(models.Model):
    """One message in one mailbox."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="messages")
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    direction = models.CharField(max_length=8, choices=[(d.value, d.value) for d in Direction])
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in MessageStatus])
    message_id = models.TextField(help_text="RFC 5322 Message-ID with angle brackets.")
    in_reply_to = models.TextField(null=True, blank=True)
    references = models.JSONField(null=True, blank=True)
    from_address = models.TextField()
    from_display_name = models.TextField(null=True, blank=True)
    reply_to = models.JSONField(null=True, blank=True)
    to_addresses = models.JSONField(default=list)
    cc_addresses = models.JSONField(null=True, blank=True)
    bcc_addresses = models.JSONField(null=True, blank=True)
    subject = models.TextField(null=True, blank=True)
    snippet = models.TextField(null=True, blank=True)
    is_read = models.BooleanField(default=False)
    is_starred = models.BooleanField(default=False)
    # Copied from the thread's folder, so that lists for agent keys need no join.
    is_blocked = models.BooleanField(default=False)
    is_forward = models.BooleanField(default=False)
    # From a program or a list (RFC 3834): not to be answered by a program.
    is_automatic = models.BooleanField(default=False, db_default=False)
    # True when there is an attachment that is not shown inline. Stored, so that lists need not read the metadata.
    has_attachments = models.BooleanField(default=False)
    attachment_metadata = models.JSONField(null=True, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    first_opened_at = models.DateTimeField(null=True, blank=True)
    open_count = models.PositiveIntegerField(default=0)
    # Whether what goes out carries the image that sees opens. What is stored never does.
    tracks_opens = models.BooleanField(default=False, db_default=False)
    last_opened_at = models.DateTimeField(null=True, blank=True, editable=False)
    import_job_id = models.UUIDField(null=True, blank=True)
    provider_message_id = models.TextField(null=True, blank=True)
    # Fingerprint of an inbound or imported message: the same mail is stored once. Null on rows of sent mail.
    dedup_key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    # Null: nobody had to approve it (mail/approvals.py). The reason is for the agent to read.
    approval_state = models.CharField(
        max_length=16, null=True, blank=True, choices=[(s.value, s.value) for s in ApprovalState]
    )
    approval_reason = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["mailbox", "dedup_key"], name="message_received_once")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["mailbox", "-created_at", "-id"], condition=Q(deleted_at__isnull=True), name="message_newest"
            ),
            models.Index(
                fields=["mailbox", "direction", "-created_at", "-id"],
                condition=Q(deleted_at__isnull=True),
                name="message_direction_newest",
            ),
            models.Index(fields=["mailbox", "message_id"], name="message_by_message_id"),
            models.Index(fields=["thread", "created_at", "id"], name="message_in_thread"),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="message_deleted"),
            models.Index(
                fields=["import_job_id", "id"], condition=Q(import_job_id__isnull=False), name="message_imported"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class MessageContent(models.Model):
    """Bodies and the raw message: inline up to limits.INLINE_RAW_BYTES, else a blob."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="content")
    body_text = models.TextField(null=True)
    body_html = models.TextField(null=True)
    raw_inline = models.BinaryField(null=True)
    raw_key = models.CharField(max_length=64, null=True, db_index=True)
    # What the evaluation on receipt found (mail/trust/verdicts.py); null for mail that was not evaluated.
    authentication = models.JSONField(null=True)
    spam = models.JSONField(null=True)

    def __str__(self) -> str:
        return str(self.message_id)
