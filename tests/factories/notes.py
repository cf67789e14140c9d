"""Notes and grants, through the API and the services."""

from __future__ import annotations

from identities.models import AgentIdentity, Organization
from notes.models import Note, NoteAccess
from notes.services.access import grant_access
from notes.services.notes import NewNote, create_note
from tests.factories.identities import admin_principal


def note(of: Organization, body: str = "Remember the milk", *seen_by: AgentIdentity, title: str | None = None) -> Note:
    """A note of the organization that these identities may see."""
    made = create_note(admin_principal(of), NewNote(body, title))
    for identity in seen_by:
        grant(made, identity)
    return made


def grant(to: Note, identity: AgentIdentity) -> NoteAccess:
    """Let the identity see the note."""
    return grant_access(admin_principal(to.organization), str(to.pk), identity.pk)
