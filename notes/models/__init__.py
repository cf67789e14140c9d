"""Models, one aggregate a module."""

from notes.models.note import Note, NoteAccess

__all__ = ["Note", "NoteAccess"]
