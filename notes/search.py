"""What a search compares: every word of the query must be somewhere in the title or the body, case and accents aside.

A query of one word is a substring search; more words are found in any order, as in full text search. Pure.
"""

from __future__ import annotations

from common.folding import fold
from notes.limits import SEARCH_TEXT_MAX_CHARS


def search_text(title: str | None, body: str) -> str:
    """Title and body as they are searched, cut at SEARCH_TEXT_MAX_CHARS."""
    return fold(f"{title}\n{body}" if title else body)[:SEARCH_TEXT_MAX_CHARS]


def query_parts(query: str) -> list[str]:
    """What a search text must contain; none for a query of nothing but spaces, which finds everything.

    The longest comes first, being the rarest; parts of others say nothing new.
    """
    parts: list[str] = []
    for word in sorted(set(fold(query).split()), key=lambda word: (-len(word), word)):
        if not any(word in longer for longer in parts):
            parts.append(word)
    return parts
