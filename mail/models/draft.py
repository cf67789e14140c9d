"""Drafts: messages that are still being written. No list, thread or search of messages shows them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from mail.draft_states import SendState, effective_state
from mail.enums import AutoSubmitted, ForwardMode
from mail.models.mailbox import Mailbox
from mail.models.message import Message
from mail.models.thread import Thread


class DraftQuerySet(models.QuerySet["Draft"]):
    """Reads."""

    def visible_to(self, _principal: Principal, mailbox: Mailbox) -> Self:
        """Drafts of a visible mailbox: whoever sees the mailbox sees all of them."""
        return self.filter(mailbox=mailbox)


class Draft(models.Model):
    """One draft. `generation` grows by one with every change and must be named by whoever changes it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="drafts")
    generation = models.PositiveIntegerField(default=1)
    send_state = models.CharField(
        max_length=16, default=SendState.DRAFT.value, choices=[(s.value, s.value) for s in SendState]
    )
    # While it is being sent: by whom, and until when that is believed.
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    to_addresses = models.JSONField(default=list)
    cc_addresses = models.JSONField(default=list)
    bcc_addresses = models.JSONField(default=list)
    subject = models.TextField(null=True, blank=True)
    snippet = models.TextField(null=True, blank=True)
    body_text = models.TextField(null=True, blank=True)
    body_html = models.TextField(null=True, blank=True)
    reply_to = models.TextField(null=True, blank=True)
    message_id = models.TextField(help_text="The Message-ID it will be sent with.")
    thread = models.ForeignKey(Thread, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    in_reply_to = models.TextField(null=True, blank=True)
    references = models.JSONField(null=True, blank=True)
    # Not a foreign key: when the message is gone, this must not become an ordinary draft.
    forward_message_id = models.UUIDField(null=True, blank=True)
    forward_mode = models.CharField(
        max_length=8, default=ForwardMode.INLINE.value, choices=[(m.value, m.value) for m in ForwardMode]
    )
    include_original_attachments = models.BooleanField(default=True)
    forward_note_text = models.TextField(null=True, blank=True)
    forward_note_html = models.TextField(null=True, blank=True)
    track_opens = models.BooleanField(default=False)
    auto_submitted = models.CharField(
        max_length=16, null=True, blank=True, choices=[(a.value, a.value) for a in AutoSubmitted]
    )
    attachment_count = models.PositiveIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    objects = DraftQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(condition=Q(generation__gte=1), name="draft_generation_positive"),
            models.CheckConstraint(
                condition=Q(send_state__in=[s.value for s in SendState]), name="draft_send_state_known"
            ),
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["mailbox", "-created_at", "-id"], name="draft_newest")]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_forward(self) -> bool:
        return self.forward_message_id is not None

    @property
    def state(self) -> SendState:
        """`send_state`, except that a claim that ran out is none."""
        return effective_state(self.send_state, self.claimed_until, now())


class DraftAttachment(models.Model):
    """A file of a draft. Its `part_index` is its place among the draft's files, in order of addition."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="attachments")
    filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=255)
    content_id = models.CharField(max_length=257, null=True, blank=True)
    size = models.PositiveIntegerField(help_text="Bytes.")
    raw_inline = models.BinaryField(null=True)
    raw_key = models.CharField(max_length=64, null=True, db_index=True)

    def __str__(self) -> str:
        return str(self.id)


class SentDraft(models.Model):
    """What became of a draft that was sent, so that a repeated send is answered with the same message."""

    draft_id = models.UUIDField(primary_key=True, editable=False)
    generation = models.PositiveIntegerField()
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=now, db_index=True)

    def __str__(self) -> str:
        return str(self.draft_id)
