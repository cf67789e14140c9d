"""Django admin of this app."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from contacts.models import ContactRule
from identities.admin_base import ReadOnlyAdmin


@admin.register(ContactRule)
class ContactRuleAdmin(ReadOnlyAdmin):
    """Rules of identities. They are written by the API, which keeps their coverage free of contradictions."""

    list_display: ClassVar[list[str]] = ["match_target", "action", "channel", "direction", "status", "identity"]
    list_filter: ClassVar[list[str]] = ["channel", "action", "direction", "status", "match_type"]
    list_select_related: ClassVar[list[str]] = ["identity"]
    search_fields: ClassVar[list[str]] = ["match_target", "identity__agent_handle", "organization__id"]
    autocomplete_fields: ClassVar[list[str]] = ["organization", "identity"]
