"""Product numbers of this app (contract contacts-notes.md section 6)."""

from __future__ import annotations

BODY_MAX_CHARS = 100_000
TITLE_MAX_CHARS = 255
QUERY_MAX_CHARS = 200
LIST_DEFAULT = 50
LIST_MAX = 200
LIST_OFFSET_MAX = 1_000_000
# Of title and body together, folded. Ordinary text does not grow when it is folded; what is cut off is not found.
SEARCH_TEXT_MAX_CHARS = 150_000
