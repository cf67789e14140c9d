"""Reads of notes that only pages need. Every one starts from the principal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import QueryDict

from common.principal import Principal
from identities.models import AgentIdentity, ApiKey, User
from notes import limits
from notes.enums import NoteOrder
from notes.models import Note
from notes.selectors import NoteFilter, search_notes

EXCERPT_CHARS = 240


@dataclass(frozen=True, slots=True)
class NoteQuery:
    """What the list is narrowed by, as its address says; what makes no sense is as good as absent."""

    text: str = ""
    order: str = NoteOrder.RECENT.value
    agent: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> NoteQuery:
        """From the address of the page."""
        text = query.get("q", "").strip().replace("\x00", "")[: limits.QUERY_MAX_CHARS]
        is_by_creation = query.get("order") == NoteOrder.CREATED
        return cls(text, (NoteOrder.CREATED if is_by_creation else NoteOrder.RECENT).value, query.get("agent", ""))

    @property
    def is_narrow(self) -> bool:
        """Whether notes may be left out."""
        return bool(self.text or self.agent)


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A note in a list: its title (else its first line), the beginning of the rest, who made it, and the handles of
    the agents that see it."""

    note: Note
    title: str
    excerpt: str
    author: str
    handles: list[str]


def find_notes(principal: Principal, wanted: NoteQuery, identity: AgentIdentity | None) -> QuerySet[Note]:
    """Notes with the beginning of their text only; `identity` leaves those that this agent sees."""
    narrow = NoteFilter(wanted.text, identity.pk if identity is not None else None, wanted.order)
    rows = search_notes(principal, narrow).defer("search_text", "body")
    # One character more tells that there is more.
    return rows.annotate(beginning=Left("body", EXCERPT_CHARS + 1)).prefetch_related("access__identity")


def note_lines(notes: Sequence[Any]) -> list[NoteLine]:
    """Notes as a list shows them. At most two queries, however many."""
    authors = name_authors(notes)
    return [
        NoteLine(
            note,
            *_beginning(note.title, note.beginning),
            authors[note.created_by],
            sorted(grant.identity.agent_handle for grant in note.access.all()),
        )
        for note in notes
    ]


def _beginning(title: str | None, text: str) -> tuple[str, str]:
    """Title and excerpt. A text of one line without a title is its title."""
    shown = f"{text[:EXCERPT_CHARS]}…" if len(text) > EXCERPT_CHARS else text
    if title:
        return title, shown
    first, _, rest = shown.strip().partition("\n")
    return first or "Untitled note", rest.strip()


def name_authors(notes: Iterable[Note]) -> dict[str, str]:
    """Who made notes, by `created_by`: an agent, a person, or the label of a key. At most two queries."""
    ids = {note.created_by for note in notes}
    names = dict.fromkeys(ids, "")
    keys = {pk for pk in ids if pk.startswith("ApiKey_")}
    for key in ApiKey.objects.filter(pk__in=keys).select_related("scoped_identity") if keys else ():
        names[key.pk] = f"@{key.scoped_identity.agent_handle}" if key.scoped_identity else f"key {key.label}"
    if people := ids - keys:
        names |= dict(User.objects.filter(pk__in=people).values_list("pk", "email"))
    return names
