"""Forms of the pages about notes."""

from __future__ import annotations

from django import forms

from console.contact_rows import BlockField
from console.forms import ConsoleForm, OneLineField
from notes import limits
from notes.models import Note
from notes.services.notes import NewNote, NoteChanges


class NoteForm(ConsoleForm):
    """A note. `seen` is the state that the person saw."""

    title = OneLineField(max_length=limits.TITLE_MAX_CHARS, required=False, label="Title")
    body = BlockField(
        max_length=limits.BODY_MAX_CHARS, strip=False, label="Text", widget=forms.Textarea(attrs={"rows": 16})
    )
    seen = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    @classmethod
    def of(cls, note: Note) -> NoteForm:
        """As the note is."""
        return cls(initial={"title": note.title, "body": note.body, "seen": note.updated_at.isoformat()})

    def as_new(self) -> NewNote:
        """What was written."""
        return NewNote(self.cleaned_data["body"], self.cleaned_data["title"] or None)

    def as_changes(self) -> NoteChanges:
        """What the note becomes."""
        return NoteChanges(self.cleaned_data["title"] or None, self.cleaned_data["body"])

    def is_stale(self, note: Note) -> bool:
        """Whether somebody changed the note since the person saw it. The form that is shown again knows."""
        current = note.updated_at.isoformat()
        if self.cleaned_data["seen"] in ("", current):
            return False
        self.data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        self.data["seen"] = current  # type: ignore[index]
        self.add_error(None, "Somebody changed this note meanwhile. Saving again replaces what they wrote.")
        return True
