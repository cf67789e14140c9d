"""What an agent knows: the contacts and notes that it sees, as it sees them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from console.contact_selectors import ContactQuery, contacts_as_seen, search_contacts
from console.note_selectors import NoteQuery, find_notes, note_lines
from console.principals import console_page
from console.views.agent_pages import render_agent_page
from identities.selectors import get_identity

_ROWS = 20


@require_safe
@console_page
def agent_book(request: Any, handle: str) -> HttpResponse:
    """The first contacts by name and the newest notes; the whole lists are a page each."""
    principal = request.viewer.principal
    identity = get_identity(principal, handle)
    # One more tells that there is more.
    contacts = list(search_contacts(principal, ContactQuery(), identity)[: _ROWS + 1])
    notes = list(find_notes(principal, NoteQuery(), identity)[: _ROWS + 1])
    context = {
        "contacts": contacts_as_seen(identity, contacts[:_ROWS]),
        "has_more_contacts": len(contacts) > _ROWS,
        "notes": note_lines(notes[:_ROWS]),
        "has_more_notes": len(notes) > _ROWS,
    }
    return render_agent_page(request, identity, "console/agent_book.html", context)
