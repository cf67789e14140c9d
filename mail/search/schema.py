"""The part of the search index that Django's models cannot describe."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

# Terms come ready-made, in lower case, separated by spaces; the ascii tokenizer keeps all other characters.
# No copy of them is kept (content=''), nor their number (columnsize=0), which only bm25 would read.
_FTS5 = "CREATE VIRTUAL TABLE IF NOT EXISTS mail_search USING fts5(terms, content='', tokenize='ascii', columnsize=0)"
_POSTGRESQL = (
    "ALTER TABLE mail_searchentry ADD COLUMN IF NOT EXISTS terms tsvector",
    "CREATE INDEX IF NOT EXISTS search_terms ON mail_searchentry USING gin (terms)",
)


def ensure_search_index(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing; safe to repeat. A migration calls it, and test databases made without migrations."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(_FTS5)
        else:
            for statement in _POSTGRESQL:
                cursor.execute(statement)
