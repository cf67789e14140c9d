"""Message-ID, In-Reply-To and References values (RFC 5322 section 3.6.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_REFERENCES = 100
MAX_MESSAGE_ID_BYTES = 900
"""Short enough that a header line holding one identifier stays under 998 octets."""

_BRACKETED = re.compile(r"<([^<>]+)>")
_BARE_SEPARATORS = re.compile(r"[\s,;<>]+")
_VALID = re.compile(r"<[^<>\s\x00-\x20\x7f]+>")


def is_message_id(value: str) -> bool:
    """Whether the value can stand in a header: brackets, no whitespace, bounded length."""
    return (
        _VALID.fullmatch(value) is not None
        and value.isprintable()
        and len(value.encode("utf-8", "replace")) <= MAX_MESSAGE_ID_BYTES
    )


def _normalize(content: str) -> str | None:
    # A folded identifier has whitespace inside it that was never part of it.
    value = "<" + "".join(content.split()) + ">"
    return value if is_message_id(value) else None


def find_message_ids(value: str) -> list[str]:
    """Return the identifiers of a header value in order, each in angle brackets.

    Identifiers without brackets are accepted when they contain an ``@`` and no
    bracketed one is present. Unusable ones are skipped.
    """
    found = [identifier for m in _BRACKETED.finditer(value) if (identifier := _normalize(m[1]))]
    if found or "@" not in value:
        return found
    words = (word for word in _BARE_SEPARATORS.split(value) if "@" in word)
    return [identifier for word in words if (identifier := _normalize(word))]


def first_message_id(value: str) -> str | None:
    """Return the first usable identifier of a header value."""
    found = find_message_ids(value)
    return found[0] if found else None


def limit_references(references: Sequence[str], newest: int) -> tuple[str, ...]:
    """Keep the first reference, which names the thread, and the ``newest`` last ones."""
    if len(references) <= newest + 1:
        return tuple(references)
    return (references[0], *references[-newest:])
