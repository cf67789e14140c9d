"""Notes: the list, one of them, and which agents see it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.agent_choice import AgentChange, change_agent
from console.contact_selectors import agent_choices
from console.note_forms import NoteForm
from console.note_selectors import NoteQuery, find_notes, name_authors, note_lines
from console.paging import paginate
from console.principals import console_page
from identities.errors import RoleTooLow
from identities.models import AgentIdentity
from identities.selectors import get_identity
from notes.models import Note
from notes.selectors import get_note
from notes.services.access import grant_access, revoke_access
from notes.services.notes import create_note, delete_note, update_note


@require_safe
@console_page
def note_list(request: Any) -> HttpResponse:
    """The notes of the organization, or what one of its agents sees of them."""
    principal = request.viewer.principal
    wanted = NoteQuery.from_query(request.GET)
    identity = get_identity(principal, wanted.agent) if wanted.agent else None
    page = paginate(request, find_notes(principal, wanted, identity))
    context = {
        "wanted": wanted,
        "identity": identity,
        "agents": agent_choices(principal),
        "lines": note_lines(page.rows),
        "page": page,
    }
    return render(request, "console/notes.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def new_note(request: Any) -> HttpResponse:
    """Write a note."""
    if not request.viewer.manages:
        raise RoleTooLow
    form = NoteForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        note = create_note(request.viewer.principal, form.as_new())
        messages.success(request, "The note is kept. No agent sees it until you show it to one.")
        return redirect("console:note", note.pk)
    return render(request, "console/note_edit.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def edit_note(request: Any, note_id: UUID) -> HttpResponse:
    """Change a note; says when somebody else was faster."""
    principal = request.viewer.principal
    note = _managed(request, note_id)
    form = NoteForm(request.POST) if request.method == "POST" else NoteForm.of(note)
    if form.is_valid() and not form.is_stale(note):
        update_note(principal, str(note.pk), form.as_changes())
        messages.success(request, "Saved.")
        return redirect("console:note", note.pk)
    context = {"form": form, "note": note}
    return render(request, "console/note_edit.html", context, status=422 if form.errors else 200)


@require_safe
@console_page
def note(request: Any, note_id: UUID) -> HttpResponse:
    """One note with the agents that see it."""
    principal = request.viewer.principal
    row = get_note(principal, str(note_id))
    seeing = {grant.identity_id for grant in row.access.all()}
    identities = list(AgentIdentity.objects.visible_to(principal).order_by("agent_handle", "pk"))
    context = {
        "note": row,
        "author": name_authors([row])[row.created_by],
        "seeing": [identity for identity in identities if identity.pk in seeing],
        "others": [identity for identity in identities if identity.pk not in seeing],
    }
    return render(request, "console/note.html", context)


@require_POST
@console_page
def change_note_access(request: Any, note_id: UUID) -> HttpResponse:
    """Show the note to an agent, or hide it from one."""
    principal = request.viewer.principal
    row = _managed(request, note_id)
    changes = {
        "show": AgentChange(
            lambda one: grant_access(principal, str(row.pk), one.pk),
            "{agent} sees this note, and may change and delete it.",
        ),
        "hide": AgentChange(
            lambda one: revoke_access(principal, row, one.pk), "{agent} does not see this note any more."
        ),
    }
    change_agent(request, changes, "Choose who sees the note.")
    return redirect("console:note", row.pk)


@require_POST
@console_page
def remove_note(request: Any, note_id: UUID) -> HttpResponse:
    """Delete a note for everybody."""
    row = _managed(request, note_id)
    delete_note(request.viewer.principal, str(row.pk))
    messages.success(request, "The note is deleted.")
    return redirect("console:notes")


def _managed(request: Any, note_id: UUID) -> Note:
    """The note, for somebody who may change it. Raises RoleTooLow, NoteNotFound."""
    row = get_note(request.viewer.principal, str(note_id))
    if not request.viewer.manages:
        raise RoleTooLow
    return row
