"""Django admin of this app."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from tunnels.models import Tunnel


@admin.register(Tunnel)
class TunnelAdmin(ReadOnlyAdmin):
    """Tunnels, deleted ones included. They live and die with their identity."""

    list_display: ClassVar[list[str]] = ["tunnel_name", "organization", "tls_mode", "status", "last_connected_at"]
    list_filter: ClassVar[list[str]] = ["status", "tls_mode"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["tunnel_name", "id", "organization__id"]
