"""Django admin of who may look at which identity."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from identities.models import IdentityAccess


@admin.register(IdentityAccess)
class IdentityAccessAdmin(ReadOnlyAdmin):
    """Identities that are open to others; without a viewer, to every agent of the organization."""

    list_display: ClassVar[list[str]] = ["target", "viewer", "created_at"]
    list_select_related: ClassVar[list[str]] = ["target", "viewer"]
    search_fields: ClassVar[list[str]] = ["id", "target__agent_handle", "viewer__agent_handle"]
