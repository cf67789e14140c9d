"""Django admin of the server's own mail: whether it left, never what it says (codes and sign-in links)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from mail.models import PlatformMail


@admin.register(PlatformMail)
class PlatformMailAdmin(ReadOnlyAdmin):
    """Read only. With the sandbox transport the mail itself is under sandbox mail."""

    list_display: ClassVar[list[str]] = ["recipient", "subject", "state", "attempts", "created_at", "finished_at"]
    list_filter: ClassVar[list[Any]] = ["state", "created_at"]
    search_fields: ClassVar[list[str]] = ["recipient"]
    exclude: ClassVar[list[str]] = ["raw"]
