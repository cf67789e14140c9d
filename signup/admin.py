"""Django admin of signups: who waits for whom, never codes or keys."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from identities.admin_base import ReadOnlyAdmin
from signup.models import Signup


@admin.register(Signup)
class SignupAdmin(ReadOnlyAdmin):
    """Read only: the decision is the human's."""

    list_display: ClassVar[list[str]] = ["human_email", "identity", "state", "decided_by", "created_at", "decided_at"]
    list_filter: ClassVar[list[Any]] = ["state", "decided_by", "harness", "created_at"]
    search_fields: ClassVar[list[str]] = ["human_email", "identity__agent_handle"]
    list_select_related: ClassVar[list[str]] = ["identity"]
    exclude: ClassVar[list[str]] = ["code_hash", "key_hash"]
