"""Drafts in Django admin: that they exist and in which state, never what they say."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from mail.models import Draft


@admin.register(Draft)
class DraftAdmin(ReadOnlyAdmin):
    """For looking into sends that were interrupted."""

    list_display: ClassVar[list[str]] = [
        "id",
        "mailbox",
        "send_state",
        "generation",
        "attachment_count",
        "size_bytes",
        "updated_at",
    ]
    list_filter: ClassVar[list[Any]] = ["send_state", "updated_at"]
    list_select_related: ClassVar[list[str]] = ["mailbox"]
    search_fields: ClassVar[list[str]] = ["id", "mailbox__email_address"]
    fields: ClassVar[list[str]] = [*list_display, "claimed_until", "forward_message_id", "created_at"]
    readonly_fields: ClassVar[list[str]] = fields
