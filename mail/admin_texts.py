"""Django admin of extracted attachment texts: how it went, never what they say."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from mail.models import AttachmentText


@admin.register(AttachmentText)
class AttachmentTextAdmin(ReadOnlyAdmin):
    """Attachments by the state of their text."""

    list_display: ClassVar[list[str]] = ["id", "message", "part_index", "status", "reason", "attempts", "updated_at"]
    list_filter: ClassVar[list[Any]] = ["status", "updated_at"]
    search_fields: ClassVar[list[str]] = ["message__id"]
    fields: ClassVar[list[str]] = [*list_display, "is_cut", "leased_until", "created_at"]
