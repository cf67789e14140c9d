"""Triggers by which the database itself refuses to change what an audit entry says."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_TABLE = "vault_vaultauditentry"
# Not organization_id, which follows the vault. Entries end as a whole: with their organization, or with time.
_COLUMNS = (
    "id, vault_id, action, caller_scope, caller_id, caller_identity_id, secret_id, key_id, identity_id, secret_count, "
    "created_at"
)
_TRIGGER = "vault_audit_refuse_update"
_SQLITE = (
    (
        f"CREATE TRIGGER IF NOT EXISTS {_TRIGGER} BEFORE UPDATE OF {_COLUMNS} ON {_TABLE} "
        "BEGIN SELECT RAISE(ABORT, 'The audit log is append-only.'); END"
    ),
)
_POSTGRESQL = (
    (
        "CREATE OR REPLACE FUNCTION vault_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'The audit log is append-only.' USING ERRCODE = '23000'; END $$"
    ),
    (
        f"CREATE OR REPLACE TRIGGER {_TRIGGER} BEFORE UPDATE OF {_COLUMNS} ON {_TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION vault_audit_refuse()"
    ),
)


def protect_vault_audit(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing; safe to repeat. A migration that makes SQLite rebuild the table has to call it again."""
    with connection.cursor() as cursor:
        for statement in _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL:
            cursor.execute(statement)


def unprotect_vault_audit(connection: BaseDatabaseWrapper) -> None:
    """To reverse the migration."""
    suffix = "" if connection.vendor == "sqlite" else f" ON {_TABLE}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER IF EXISTS {_TRIGGER}{suffix}")
