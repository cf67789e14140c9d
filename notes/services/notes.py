"""Create, change and delete notes (contract contacts-notes.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.ids import parse_uuid
from common.principal import Principal
from common.unset import UNSET, Unset
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity
from notes.errors import NoteNotFound
from notes.models import Note, NoteAccess
from notes.search import search_text


@dataclass(frozen=True, slots=True)
class NewNote:
    """The body of note create."""

    body: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class NoteChanges:
    """The body of note update; UNSET means unchanged, a null title clears it."""

    title: str | Unset | None = UNSET
    body: str | Unset = UNSET


def create_note(principal: Principal, new: NewNote) -> Note:
    """A new note. The agent that makes one may see it; of others, only people and admin keys do until they grant it.

    Raises IdentityNotFound 404 when the caller's identity was deleted or moved meanwhile.
    """
    assert principal.organization_id is not None
    with transaction.atomic():
        identity = lock_identity(principal, principal.identity_id) if principal.identity_id is not None else None
        moment = now()
        note = Note.objects.create(
            organization_id=principal.organization_id,
            title=new.title or None,
            body=new.body,
            search_text=search_text(new.title, new.body),
            created_by=principal.key_id or principal.user_id or "",
            created_at=moment,
            updated_at=moment,
        )
        if identity is not None:
            NoteAccess.objects.create(note=note, identity=identity, created_at=moment)
    return note


def update_note(principal: Principal, row_id: str, changes: NoteChanges) -> None:
    """Apply the supplied fields; without any the note stays as it is. Raises NoteNotFound 404."""
    with transaction.atomic():
        note = lock_note(principal, row_id)
        if changes == NoteChanges():
            return
        if changes.title is not UNSET:
            note.title = changes.title or None
        if changes.body is not UNSET:
            note.body = changes.body
        note.search_text = search_text(note.title, note.body)
        note.updated_at = now()
        note.save(update_fields=["title", "body", "search_text", "updated_at"])


def delete_note(principal: Principal, row_id: str) -> None:
    """Remove a note and its grants for good. Raises NoteNotFound 404, so of two deletes exactly one succeeds."""
    with transaction.atomic():
        lock_note(principal, row_id).delete()


def lock_note(principal: Principal, row_id: str) -> Note:
    """The visible note, which nobody else changes until the end of the transaction. Raises NoteNotFound."""
    pk = parse_uuid(row_id)
    rows = Note.objects.visible_to(principal).select_for_update(of=("self",)).defer("search_text")
    note = rows.filter(pk=pk).first() if pk is not None else None
    if note is None:
        raise NoteNotFound
    return note


def lock_identity(principal: Principal, identity_id: UUID) -> AgentIdentity:
    """An identity of the caller that is neither deleted nor moved until the end of the transaction.

    Locked before any note: deleting and moving an identity go the same way. Raises IdentityNotFound.
    """
    # NO KEY: mail that is being received refers to the identity and goes on meanwhile.
    rows = AgentIdentity.objects.visible_to(principal).select_for_update(no_key=True)
    identity = rows.filter(pk=identity_id).first()
    if identity is None:
        raise IdentityNotFound
    return identity
