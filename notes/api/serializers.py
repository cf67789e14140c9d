"""Shapes of notes (contract contacts-notes.md section 6). All client generations share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.api.inputs import CleanText, InputSerializer
from common.api.outputs import OutputSerializer
from notes import limits
from notes.enums import NoteOrder, NoteStatus
from notes.models import Note
from notes.selectors import NoteFilter
from notes.services.notes import NewNote, NoteChanges

# A client in the field sends `name`, which no note has.
_ORDER_ALIASES = {"name": NoteOrder.RECENT.value}


class NewNoteIn(InputSerializer[NewNote]):
    """A new note. The body is kept as it is sent; an empty title is none."""

    into = NewNote
    strict = True
    body = CleanText(allow_blank=False, max_length=limits.BODY_MAX_CHARS)
    title = CleanText(required=False, allow_null=True, max_length=limits.TITLE_MAX_CHARS)


class NoteChangesIn(InputSerializer[NoteChanges]):
    """What to change. A null or empty title clears it; there is no note without a body."""

    into = NoteChanges
    strict = True
    title = CleanText(required=False, allow_null=True, max_length=limits.TITLE_MAX_CHARS)
    body = CleanText(required=False, allow_blank=False, max_length=limits.BODY_MAX_CHARS)


class _OrderField(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(_ORDER_ALIASES.get(data, data))


class NoteFilterIn(InputSerializer[NoteFilter]):
    """Each word of `q` must be in the title or the body; parts of words, other case and accents count."""

    into = NoteFilter
    q = CleanText(required=False, max_length=limits.QUERY_MAX_CHARS)
    identity_id = serializers.UUIDField(required=False)
    order = _OrderField(
        choices=[order.value for order in NoteOrder],
        required=False,
        error_messages={"invalid_choice": f"Use one of: {', '.join(NoteOrder)}."},
    )
    limit = serializers.IntegerField(min_value=1, max_value=limits.LIST_MAX, required=False)
    offset = serializers.IntegerField(min_value=0, max_value=limits.LIST_OFFSET_MAX, required=False)


@dataclass(frozen=True, slots=True)
class NewGrant:
    """Whom to grant."""

    identity_id: UUID


class NewGrantIn(InputSerializer[NewGrant]):
    """The identity that may see the note."""

    into = NewGrant
    strict = True
    identity_id = serializers.UUIDField()


class NoteAccessOut(OutputSerializer):
    """One identity that may see the note."""

    id = serializers.UUIDField()
    note_id = serializers.UUIDField()
    identity_id = serializers.UUIDField()
    created_at = serializers.DateTimeField()


class NoteOut(OutputSerializer):
    """A note with its grants."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    created_by = serializers.CharField()
    title = serializers.CharField(allow_null=True)
    body = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in NoteStatus])
    access = NoteAccessOut(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @staticmethod
    def get_access(note: Note) -> list[dict[str, Any]]:
        return NoteAccessOut.render_many(note.access.all())
