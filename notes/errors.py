"""Refusals of this app."""

from __future__ import annotations

from common.errors import Conflict, Forbidden, NotFound


class NoteNotFound(NotFound):
    """No such note for this caller."""

    def __init__(self) -> None:
        super().__init__("Note not found")


class GrantNotFound(NotFound):
    """The identity has no grant on the note."""

    def __init__(self) -> None:
        super().__init__("This identity has no access to the note")


class AlreadyGranted(Conflict):
    """The identity has its grant. A plain string, which every client generation shows."""

    def __init__(self) -> None:
        super().__init__("This identity has access to the note already.")


class PeerGrant(Forbidden):
    """An agent key may give up its own access, not that of others."""

    def __init__(self) -> None:
        super().__init__("An agent key may end only its own access to a note. Use an admin key of the organization.")
