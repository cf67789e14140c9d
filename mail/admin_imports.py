"""Django admin of imports: how far they are and why they ended; an operator may cancel one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from identities.admin_base import ReadOnlyAdmin
from mail.errors import ImportStateConflict
from mail.imports.states import OPEN
from mail.models import ImportJob
from mail.services.imports import cancel_import


@admin.register(ImportJob)
class ImportJobAdmin(ReadOnlyAdmin):
    """Imports by state. Which addresses the person had before is not shown."""

    list_display: ClassVar[list[str]] = [
        "id",
        "mailbox",
        "status",
        "messages_imported",
        "messages_processed",
        "upload_size_bytes",
        "created_at",
        "finished_at",
    ]
    list_filter: ClassVar[list[Any]] = ["status", "source_format", "created_at"]
    list_select_related: ClassVar[list[str]] = ["mailbox"]
    search_fields: ClassVar[list[str]] = ["mailbox__email_address", "organization__id"]
    fields: ClassVar[list[str]] = [
        "id",
        "organization",
        "mailbox",
        "status",
        "source_format",
        "mark_as_read",
        "upload_size_bytes",
        "messages_processed",
        "messages_imported",
        "messages_skipped_duplicate",
        "messages_failed",
        "messages_rejected_unsafe",
        "error_detail",
        "attempts",
        "leased_until",
        "created_at",
        "started_at",
        "updated_at",
        "finished_at",
    ]
    actions: ClassVar[list[str]] = ["cancel_imports"]

    @admin.action(description="Cancel: what was imported stays", permissions=["cancel"])
    def cancel_imports(self, request: HttpRequest, jobs: QuerySet[ImportJob]) -> None:
        """End the chosen jobs that have not ended yet."""
        cancelled = 0
        for job in jobs.filter(status__in=OPEN).order_by("pk"):
            with suppress(ImportStateConflict):  # it ended this moment
                cancel_import(job)
                cancelled += 1
        self.message_user(
            request,
            f"{cancelled} imports were cancelled; others had ended already.",
            messages.SUCCESS if cancelled else messages.WARNING,
        )

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling changes rows, though the page itself is read-only."""
        return request.user.has_perm("mail.change_importjob")
