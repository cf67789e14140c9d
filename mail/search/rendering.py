"""A parsed query in the languages of FTS5 and of PostgreSQL, and the order in which matches are looked for. Pure.

Matches are ranked by where they are, and those of one rank by age, newest first: one index scan per rank, which stops
as soon as the page is full. Scoring (bm25, ts_rank) would read every match of every search, which takes over 100 ms for
a frequent word in 100,000 messages, and would order them differently in each database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from mail.search.document import ANYWHERE, EVERY, RECIPIENT, SENDER, SUBJECT, mailbox_key
from mail.search.query import Clause, Place, SearchQuery


class Language(Protocol):
    """How a database writes conditions on terms."""

    def phrase(self, terms: list[str], *, is_prefix: bool) -> str: ...
    def both(self, parts: list[str]) -> str: ...
    def either(self, parts: list[str]) -> str: ...
    def without(self, wanted: str, unwanted: str) -> str: ...


class Fts5:
    """SQLite (https://www.sqlite.org/fts5.html#full_text_query_syntax)."""

    def phrase(self, terms: list[str], *, is_prefix: bool) -> str:
        return f'"{" ".join(terms)}"{" *" if is_prefix else ""}'

    def both(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def either(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def without(self, wanted: str, unwanted: str) -> str:
        return f"({wanted} NOT {unwanted})"


class TsQuery:
    """PostgreSQL's tsquery. Terms hold only letters, digits and marks, so quoting them is all they need."""

    def phrase(self, terms: list[str], *, is_prefix: bool) -> str:
        quoted = [f"'{term}'" for term in terms]
        if is_prefix:
            quoted[-1] += ":*"
        return quoted[0] if len(quoted) == 1 else f"({' <-> '.join(quoted)})"

    def both(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else f"({' & '.join(parts)})"

    def either(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else f"({' | '.join(parts)})"

    def without(self, wanted: str, unwanted: str) -> str:
        return f"({wanted} & !{unwanted})"


_LETTERS = {Place.ANYWHERE: ANYWHERE, Place.SUBJECT: SUBJECT, Place.SENDER: SENDER, Place.RECIPIENT: RECIPIENT}
_Where = Callable[[Clause], str]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Conditions for one mailbox in one language."""

    key: str
    language: Language

    def at(self, clause: Clause, letter: str) -> str:
        terms = [self.key + letter + word for word in clause.words]
        return self.language.phrase(terms, is_prefix=clause.is_prefix)

    def in_place(self, clause: Clause) -> str:
        return self.at(clause, _LETTERS[clause.place])

    def in_subject(self, clause: Clause) -> str:
        return self.at(clause, SUBJECT)

    def in_headers(self, clause: Clause) -> str:
        return self.language.either([self.at(clause, letter) for letter in (SUBJECT, SENDER, RECIPIENT)])


def ranked_conditions(query: SearchQuery, mailbox_id: UUID, language: Language) -> list[str]:
    """Conditions on the terms, the best rank first; each one also matches what those before it match.

    All words in the subject; all in subject or participants; at least one of them there; all anywhere.
    """
    writer = _Writer(mailbox_key(mailbox_id), language)
    fixed = [writer.in_place(clause) for clause in query.wanted if clause.place is not Place.ANYWHERE]
    free = [clause for clause in query.wanted if clause.place is Place.ANYWHERE]
    every = [] if query.wanted else [language.phrase([writer.key + EVERY], is_prefix=False)]
    conditions = [language.both([*every, *fixed, *map(writer.in_place, free)])]
    if free:
        wheres: tuple[_Where, ...] = (writer.in_subject, writer.in_headers)
        conditions = [language.both([*fixed, *map(where, free)]) for where in wheres] + [
            *_partly(language, fixed, free, writer),
            *conditions,
        ]
    unwanted = [writer.in_place(clause) for clause in query.unwanted]
    if unwanted:
        conditions = [language.without(condition, language.either(unwanted)) for condition in conditions]
    return conditions


def _partly(language: Language, fixed: Iterable[str], free: list[Clause], writer: _Writer) -> list[str]:
    if len(free) < 2:
        return []
    some = language.either([writer.in_headers(clause) for clause in free])
    return [language.both([*fixed, *map(writer.in_place, free), some])]
