"""Django admin of this app: which notes there are and who may see them, never what they say."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from identities.admin_base import Inline, ReadOnlyAdmin
from notes.models import Note, NoteAccess


class NoteAccessInline(Inline):
    """The identities that may see a note."""

    model = NoteAccess
    fields: ClassVar[list[str]] = ["identity", "created_at"]
    readonly_fields: ClassVar[list[str]] = fields
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[NoteAccess]:
        rows: QuerySet[NoteAccess] = super().get_queryset(request)
        return rows.select_related("identity")


@admin.register(Note)
class NoteAdmin(ReadOnlyAdmin):
    """Notes. What agents and people write down is nobody else's business."""

    list_display: ClassVar[list[str]] = ["id", "organization", "created_by", "created_at", "updated_at"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["id", "organization__id", "created_by"]
    fields: ClassVar[list[str]] = list_display
    readonly_fields: ClassVar[list[str]] = list_display
    inlines: ClassVar[list[Any]] = [NoteAccessInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Note]:
        rows: QuerySet[Note] = super().get_queryset(request)
        return rows.defer("title", "body", "search_text")
