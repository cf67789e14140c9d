"""Triggers by which the database itself refuses to change or remove rows of the audit log."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_TABLE = "identities_auditrecord"
_SQLITE = tuple(
    f"CREATE TRIGGER IF NOT EXISTS audit_refuse_{act.lower()} BEFORE {act} ON {_TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'The audit log is append-only.'); END"
    for act in ("UPDATE", "DELETE")
)
_POSTGRESQL = (
    (
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'The audit log is append-only.' USING ERRCODE = '23000'; END $$"
    ),
    (
        f"CREATE OR REPLACE TRIGGER audit_refuse_update BEFORE UPDATE OR DELETE ON {_TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
    ),
    (
        f"CREATE OR REPLACE TRIGGER audit_refuse_delete BEFORE TRUNCATE ON {_TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    ),
)
_TRIGGERS = ("audit_refuse_update", "audit_refuse_delete")


def protect_audit_log(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing; safe to repeat. A migration that makes SQLite rebuild the table has to call it again."""
    with connection.cursor() as cursor:
        for statement in _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL:
            cursor.execute(statement)


def unprotect_audit_log(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: to reverse the migration, and for tests, which empty every table."""
    suffix = "" if connection.vendor == "sqlite" else f" ON {_TABLE}"
    with connection.cursor() as cursor:
        for name in _TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{suffix}")


def is_audit_log_protected(connection: BaseDatabaseWrapper) -> bool:
    """Whether the triggers are there."""
    query = (
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN (%s, %s)"
        if connection.vendor == "sqlite"
        else "SELECT count(*) FROM pg_trigger WHERE tgname IN (%s, %s) AND tgenabled <> 'D'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, _TRIGGERS)
        row = cursor.fetchone()
    return bool(row and row[0] == len(_TRIGGERS))
