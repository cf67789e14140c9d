"""The index of parts of addresses and numbers, which Django's models cannot describe.

Look-ups by a part of three characters or more would otherwise read every address of the organization. SQLite keeps a
trigram index beside the table, by triggers; PostgreSQL has pg_trgm, whose index its planner uses by itself.
"""

from __future__ import annotations

import structlog
from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

log = structlog.get_logger(__name__)

# Shorter parts have no trigram.
PART_MIN_CHARS = 3
# Values are read from the table itself, and are compared as they are: both sides were made lower case.
_SQLITE = (
    """
    CREATE VIRTUAL TABLE contacts_parts USING fts5(
        value, content='contacts_contactidentifier', content_rowid='id', columnsize=0,
        tokenize='trigram case_sensitive 1'
    )
    """,
    """
    CREATE TRIGGER contacts_parts_insert AFTER INSERT ON contacts_contactidentifier BEGIN
        INSERT INTO contacts_parts (rowid, value) VALUES (new.id, new.value);
    END
    """,
    """
    CREATE TRIGGER contacts_parts_delete AFTER DELETE ON contacts_contactidentifier BEGIN
        INSERT INTO contacts_parts (contacts_parts, rowid, value) VALUES ('delete', old.id, old.value);
    END
    """,
    """
    CREATE TRIGGER contacts_parts_update AFTER UPDATE OF value ON contacts_contactidentifier BEGIN
        INSERT INTO contacts_parts (contacts_parts, rowid, value) VALUES ('delete', old.id, old.value);
        INSERT INTO contacts_parts (rowid, value) VALUES (new.id, new.value);
    END
    """,
    "INSERT INTO contacts_parts (contacts_parts) VALUES ('rebuild')",
)
_SQLITE_UNDO = (
    "DROP TRIGGER IF EXISTS contacts_parts_insert",
    "DROP TRIGGER IF EXISTS contacts_parts_delete",
    "DROP TRIGGER IF EXISTS contacts_parts_update",
    "DROP TABLE IF EXISTS contacts_parts",
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS contact_identifier_parts ON contacts_contactidentifier USING gin (value gin_trgm_ops)",
)
_POSTGRESQL_UNDO = ("DROP INDEX IF EXISTS contact_identifier_parts",)


def make_parts_index(connection: BaseDatabaseWrapper) -> None:
    """Create and fill the index; safe to repeat.

    For migrations, and test databases made without them. A later migration that changes the table must call it again:
    on SQLite, Django then makes a new table, and triggers do not come along.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in (*_SQLITE_UNDO, *_SQLITE):
                cursor.execute(statement)
            return
        try:
            with transaction.atomic(using=connection.alias):
                for statement in _POSTGRESQL:
                    cursor.execute(statement)
        except Error as error:
            # A database without the extension, or whose owner may not create it: look-ups by part are slower, no more.
            log.warning("contacts.no_parts_index", detail=str(error).strip())


def drop_parts_index(connection: BaseDatabaseWrapper) -> None:
    """Undo `make_parts_index`; the extension stays, others may use it."""
    with connection.cursor() as cursor:
        for statement in _SQLITE_UNDO if connection.vendor == "sqlite" else _POSTGRESQL_UNDO:
            cursor.execute(statement)


def rows_with_part(connection: BaseDatabaseWrapper, part: str, most: int) -> list[int] | None:
    """Keys of all rows, of any organization, whose value contains `part`.

    None when the index cannot tell (the part is too short), or when there are more than `most`: so many rows are
    quicker to find by reading on in the order that is wanted. SQLite only.
    """
    if connection.vendor != "sqlite" or len(part) < PART_MIN_CHARS:
        return None
    phrase = '"' + part.replace('"', '""') + '"'
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM contacts_parts WHERE contacts_parts MATCH %s LIMIT %s", [phrase, most + 1])
        found = [row[0] for row in cursor.fetchall()]
    return found if len(found) <= most else None
