"""Values that go on the wire."""

from __future__ import annotations

from enum import StrEnum


class NoteOrder(StrEnum):
    """How a list is sorted, the newest first either way."""

    RECENT = "recent"
    CREATED = "created"


class NoteStatus(StrEnum):
    """Deleted notes are gone, so there is only one."""

    ACTIVE = "active"
