"""What a caller typed into the search, understood. Pure. The syntax is described in docs/api/search.md."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from common.errors import Invalid
from mail.dates import parse_instant, zone
from mail.search.words import query_words

MAX_QUERY_CHARS = 1000
MAX_QUERY_WORDS = 64
# Shorter ones begin so many words that finding them all takes longer than the search is worth.
MIN_GUESSED_PREFIX_CHARS = 3
MIN_PREFIX_CHARS = 2

_PIECE = re.compile(r'(?P<minus>-?)(?:(?P<name>[A-Za-z]{2,10}):(?=\S))?(?:"(?P<phrase>[^"]*)"?|(?P<bare>[^\s"]+))')


class Place(StrEnum):
    """Where a clause must match."""

    ANYWHERE = "anywhere"
    SUBJECT = "subject"
    SENDER = "from"
    RECIPIENT = "to"


class Flag(StrEnum):
    """What `is:` and `has:` ask for."""

    READ = "read"
    STARRED = "starred"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class Clause:
    """Words that follow each other; `is_prefix`: the last one is a beginning."""

    words: tuple[str, ...]
    is_prefix: bool = False
    place: Place = Place.ANYWHERE


@dataclass(slots=True)
class SearchQuery:
    """All of it must hold. `since` is inclusive, `before` exclusive."""

    wanted: list[Clause] = field(default_factory=list)
    unwanted: list[Clause] = field(default_factory=list)
    flags: dict[Flag, bool] = field(default_factory=dict)
    since: datetime | None = None
    before: datetime | None = None
    # A word that has nothing to look for (only punctuation), or filters that exclude each other.
    is_impossible: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing was asked for."""
        has_words = bool(self.wanted or self.unwanted)
        return not (has_words or self.flags or self.since or self.before or self.is_impossible)


_PLACES = {"subject": Place.SUBJECT, "from": Place.SENDER, "to": Place.RECIPIENT}
_FLAGS = {
    "has": {"attachment": (Flag.ATTACHMENT, True), "attachments": (Flag.ATTACHMENT, True)},
    "is": {"unread": (Flag.READ, False), "read": (Flag.READ, True), "starred": (Flag.STARRED, True)},
}


def parse_query(text: str) -> SearchQuery:
    """Raises Invalid (422) for an empty or oversized query and for a filter value that means nothing."""
    if len(text) > MAX_QUERY_CHARS:
        raise _invalid(f"Search for at most {MAX_QUERY_CHARS} characters.")
    query = SearchQuery()
    pieces = list(_PIECE.finditer(text))
    if not pieces:
        raise _invalid("Say what to search for.")
    for number, piece in enumerate(pieces):
        # What is being typed is the beginning of a word; a space or a quote ends it.
        is_last = number == len(pieces) - 1 and piece.end() == len(text)
        _add(query, piece, is_last=is_last)
    if sum(len(clause.words) for clause in query.wanted + query.unwanted) > MAX_QUERY_WORDS:
        raise _invalid(f"Search for at most {MAX_QUERY_WORDS} words.")
    if query.is_empty:
        query.is_impossible = True
    return query


def _invalid(message: str) -> Invalid:
    return Invalid(message, loc=("query", "q"))


def _add(query: SearchQuery, piece: re.Match[str], *, is_last: bool) -> None:
    is_wanted = not piece["minus"]
    name, value = (piece["name"] or "").lower(), piece["phrase"] if piece["bare"] is None else piece["bare"]
    if name in _FLAGS:
        _add_flag(query, name, value, is_wanted=is_wanted)
    elif name in ("before", "after"):
        _add_date(query, is_before=(name == "before") == is_wanted, value=value)
    else:
        place = _PLACES.get(name, Place.ANYWHERE)
        if name and place is Place.ANYWHERE:
            value = f"{name} {value}"  # a word with a colon in it, not a filter
        _add_clause(query, value, place, is_wanted=is_wanted, is_open=is_last and piece["bare"] is not None)


def _add_clause(query: SearchQuery, value: str, place: Place, *, is_wanted: bool, is_open: bool) -> None:
    words, is_beginning = query_words(value)
    if not words:
        return
    length = len(words[-1])
    is_asked = value.endswith("*") and length >= MIN_PREFIX_CHARS
    is_guessed = is_open and is_wanted and length >= MIN_GUESSED_PREFIX_CHARS
    clause = Clause(tuple(words), is_beginning or is_asked or is_guessed, place)
    (query.wanted if is_wanted else query.unwanted).append(clause)


def _add_flag(query: SearchQuery, name: str, value: str, *, is_wanted: bool) -> None:
    found = _FLAGS[name].get(value.lower())
    if found is None:
        raise _invalid(f"Use {name}: with {', '.join(_FLAGS[name])}. To search for the text, put it in quotes.")
    flag, expected = found
    state = expected == is_wanted
    if query.flags.setdefault(flag, state) != state:
        query.is_impossible = True


def _add_date(query: SearchQuery, *, is_before: bool, value: str) -> None:
    try:
        moment = parse_instant(value, zone(None))
    except ValueError:
        raise _invalid("Use before: and after: with a date such as 2026-05-04, or an ISO 8601 date-time.") from None
    if is_before:
        query.before = min(query.before, moment) if query.before else moment
    else:
        query.since = max(query.since, moment) if query.since else moment
