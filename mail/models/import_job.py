"""Imports of mailbox archives. The job row is the queue, and holds how far reading has come."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.models import Organization
from mail.imports.states import OPEN, ImportFormat, ImportStatus
from mail.models.mailbox import Mailbox


class ImportJobQuerySet(models.QuerySet["ImportJob"]):
    """Reads."""

    def visible_to(self, _principal: Principal, mailbox: Mailbox) -> Self:
        """Jobs of a visible mailbox."""
        return self.filter(mailbox=mailbox)

    def leased(self, pk: UUID, lease_id: UUID) -> Self:
        """The job while it runs under this lease; nothing once it was cancelled or somebody else runs it."""
        return self.filter(pk=pk, status=ImportStatus.RUNNING.value, lease_id=lease_id)


class ImportJob(models.Model):
    """One upload on its way into one mailbox."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="import_jobs")
    status = models.CharField(
        max_length=16, default=ImportStatus.PENDING_UPLOAD.value, choices=[(s.value, s.value) for s in ImportStatus]
    )
    source_format = models.CharField(
        max_length=8, default=ImportFormat.AUTO.value, choices=[(f.value, f.value) for f in ImportFormat]
    )
    original_addresses = models.JSONField(default=list)
    mark_as_read = models.BooleanField(default=True)
    upload_size_bytes = models.BigIntegerField(null=True, blank=True)
    # Name of the file in the upload folder (mail/uploads.py) while there is one.
    upload_key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    messages_processed = models.PositiveIntegerField(default=0)
    messages_imported = models.PositiveIntegerField(default=0)
    messages_skipped_duplicate = models.PositiveIntegerField(default=0)
    messages_failed = models.PositiveIntegerField(default=0)
    messages_rejected_unsafe = models.PositiveIntegerField(default=0)
    error_detail = models.TextField(null=True, blank=True)
    # Everything before it is committed, nothing after it (mail/imports/reading.py, Position).
    position = models.JSONField(default=dict, editable=False)
    lease_id = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, help_text="Runs since the last progress.")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ImportJobQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["mailbox"], condition=Q(status__in=OPEN), name="import_one_open_per_mailbox"
            ),
            models.UniqueConstraint(
                fields=["organization"], condition=Q(status="running"), name="import_one_running_per_organization"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["mailbox", "-created_at", "-id"], name="import_newest"),
            models.Index(fields=["organization", "created_at"], name="import_quota"),
            models.Index(fields=["status", "created_at"], condition=Q(status__in=OPEN), name="import_open"),
        ]

    def __str__(self) -> str:
        return str(self.id)
