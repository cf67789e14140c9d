"""Databases with every migration, made once for each test process: making one takes longer than most tests."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.clients.environments import REPOSITORY

SQLITE_NAME = "inkbox.sqlite3"
MIGRATE_SECONDS = 300
# The test run's own settings must not reach the server under test.
_DROPPED_PREFIXES = ("INKBOX_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "PYTEST_")


def clean_environment() -> dict[str, str]:
    """The variables of this process without those that configure a server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED_PREFIXES)}


@cache
def migrated_sqlite() -> Path:
    """A database file to copy."""
    folder = Path(tempfile.mkdtemp(prefix="inkbox-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _migrate(folder, {})
    return folder / SQLITE_NAME


@cache
def migrated_postgres(admin_url: str) -> str:
    """The name of a database to create others from."""
    name = f"inkbox_migrated_{secrets.token_hex(6)}"
    execute(admin_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    atexit.register(drop_postgres, admin_url, name)
    with tempfile.TemporaryDirectory(prefix="inkbox-migrated-") as folder:
        _migrate(Path(folder), {"DATABASE_URL": database_url(admin_url, name)})
    return name


def database_url(admin_url: str, name: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))


def drop_postgres(admin_url: str, name: str) -> None:
    """Remove a database, whoever is still connected."""
    # FORCE: a killed server may have left connections that the database still counts.
    execute(admin_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(admin_url: str, statement: sql.Composed) -> None:
    """Run one statement outside of a transaction."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(statement)


def _migrate(data_dir: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input"],
        cwd=REPOSITORY,
        env=clean_environment() | {"INKBOX_DATA_DIR": str(data_dir)} | environment,
        capture_output=True,
        text=True,
        timeout=MIGRATE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"migrate failed:\n{done.stdout}\n{done.stderr}")
