"""Admin page of the bearer tokens of people. They are opaque here: a token is stored nowhere."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from identities.admin_base import ReadOnlyAdmin
from identities.models import SessionToken


@admin.register(SessionToken)
class SessionTokenAdmin(ReadOnlyAdmin):
    """Deleting a row ends the token."""

    list_display: ClassVar[list[str]] = ["id", "user", "membership", "created_at", "expires_at"]
    list_filter: ClassVar[list[Any]] = ["created_at"]
    list_select_related: ClassVar[list[str]] = ["user", "membership"]
    search_fields: ClassVar[list[str]] = ["user__email", "user__id", "membership__organization__id"]
    fields: ClassVar[list[str]] = ["id", "user", "membership", "created_at", "expires_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = request.user.has_perm("identities.delete_sessiontoken")
        return allowed
