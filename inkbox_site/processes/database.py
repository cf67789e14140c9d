"""Brings the database to the code's version, and keeps two embedded servers off the same data."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from inkbox_site.processes.roles import CannotStart


def pending_migrations() -> list[str]:
    """Names of migrations that the database lacks, such as `mail.0002_labels`. Raises OperationalError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def prepare_database() -> list[str]:
    """Apply pending migrations to SQLite and return their names; on PostgreSQL refuse, naming the command."""
    if not settings.IS_SQLITE:
        if pending := pending_migrations():
            raise CannotStart(
                f"The database lacks {len(pending)} migrations (first: {pending[0]}). Run: manage.py migrate"
            )
        return []
    # The file belongs to one machine, so there is nobody to coordinate with except a command started next to us.
    with _exclusive("migrate.lock", wait=True):
        if pending := pending_migrations():
            call_command("migrate", interactive=False, verbosity=0)
        return pending


@contextmanager
def only_server() -> Iterator[None]:
    """Refuse a second all-in-one server on the same SQLite data: each would have its own cache, limits and sweeps."""
    if not settings.IS_SQLITE:
        yield
        return
    with _exclusive("serve.lock", wait=False):
        yield


@contextmanager
def _exclusive(name: str, *, wait: bool) -> Iterator[None]:
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.DATA_DIR / name).open("w") as handle:
        _lock(handle, wait=wait)
        # The kernel releases it with the process, however that ends.
        yield


def _lock(handle: IO[str], *, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise CannotStart(
            f"Another server uses {settings.DATA_DIR}. Stop it, or set INKBOX_DATA_DIR to another directory."
        ) from None
