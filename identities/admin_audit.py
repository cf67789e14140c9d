"""Django admin of the audit log: to look at, on this page as everywhere."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from identities.models import AuditRecord


@admin.register(AuditRecord)
class AuditRecordAdmin(ReadOnlyAdmin):
    """Administrative acts of all organizations, those of deleted ones too."""

    list_display: ClassVar[list[str]] = [
        "created_at",
        "organization_id",
        "seq",
        "actor_label",
        "action",
        "target_label",
    ]
    list_filter: ClassVar[list[Any]] = ["actor_kind", "created_at"]
    search_fields: ClassVar[list[str]] = ["organization_id", "target_id", "actor_id"]
    ordering: ClassVar[list[str]] = ["-id"]
