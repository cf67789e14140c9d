"""Reads. Every one starts from the principal."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from common.ids import parse_uuid
from common.principal import Principal
from notes import limits
from notes.enums import NoteOrder
from notes.errors import NoteNotFound
from notes.models import Note, NoteAccess
from notes.search import query_parts


@dataclass(frozen=True, slots=True)
class NoteFilter:
    """What a list is narrowed by. `identity_id`: the notes that this identity can see."""

    q: str = ""
    identity_id: UUID | None = None
    order: str = NoteOrder.RECENT.value
    limit: int = limits.LIST_DEFAULT
    offset: int = 0


def list_notes(principal: Principal, wanted: NoteFilter) -> list[Note]:
    """A page of visible notes with their grants, in two queries. An agent key asking for a peer's view gets nothing."""
    return list(_whole(search_notes(principal, wanted))[wanted.offset : wanted.offset + wanted.limit])


def search_notes(principal: Principal, wanted: NoteFilter) -> QuerySet[Note]:
    """All visible notes that match, sorted; `limit` and `offset` are for the caller to apply."""
    rows = Note.objects.visible_to(principal)
    if principal.is_agent and wanted.identity_id not in (None, principal.identity_id):
        return rows.none()
    if wanted.identity_id is not None and not principal.is_agent:
        rows = rows.granted_to(wanted.identity_id)
    for part in query_parts(wanted.q):
        rows = rows.filter(search_text__contains=part)
    at = "-created_at" if wanted.order == NoteOrder.CREATED else "-updated_at"
    return rows.order_by(at, "-pk")


def get_note(principal: Principal, row_id: str) -> Note:
    """One note with its grants. Raises NoteNotFound."""
    pk = parse_uuid(row_id)
    note = _whole(Note.objects.visible_to(principal)).filter(pk=pk).first() if pk is not None else None
    if note is None:
        raise NoteNotFound
    return note


def list_grants(principal: Principal, row_id: str) -> list[NoteAccess]:
    """Who may see a visible note, in the order of granting. Raises NoteNotFound."""
    return list(get_note(principal, row_id).access.all())


def _whole(rows: QuerySet[Note]) -> QuerySet[Note]:
    return rows.defer("search_text").prefetch_related("access")
