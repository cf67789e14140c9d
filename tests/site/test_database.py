"""Migrations at start, on either database."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from inkbox_site.processes import database
from inkbox_site.processes.roles import CannotStart


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands that were called instead of migrating."""
    called: list[str] = []
    monkeypatch.setattr(database, "pending_migrations", lambda: ["mail.0002_x", "mail.0003_y"])
    monkeypatch.setattr(database, "call_command", lambda name, **_: called.append(name))
    return called


def test_sqlite_is_migrated(settings: Settings, tmp_path: Path, migrations: list[str]) -> None:
    settings.IS_SQLITE, settings.DATA_DIR = True, tmp_path

    assert database.prepare_database() == ["mail.0002_x", "mail.0003_y"]
    assert migrations == ["migrate"]


def test_postgresql_is_left_to_the_operator(settings: Settings, migrations: list[str]) -> None:
    settings.IS_SQLITE = False

    with pytest.raises(CannotStart, match=r"lacks 2 migrations \(first: mail\.0002_x\)\. Run: manage\.py migrate"):
        database.prepare_database()

    assert migrations == []


def test_a_current_database_is_left_alone(
    settings: Settings, tmp_path: Path, migrations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IS_SQLITE, settings.DATA_DIR = True, tmp_path
    monkeypatch.setattr(database, "pending_migrations", list)

    assert database.prepare_database() == []
    assert migrations == []


def test_the_lock_is_held_until_the_end(settings: Settings, tmp_path: Path) -> None:
    settings.IS_SQLITE, settings.DATA_DIR = True, tmp_path

    with database.only_server(), pytest.raises(CannotStart, match="Another server uses"), database.only_server():
        pass
    with database.only_server():
        pass


def test_servers_on_postgresql_may_be_many(settings: Settings) -> None:
    settings.IS_SQLITE = False

    with database.only_server(), database.only_server():
        assert not (settings.DATA_DIR / "serve.lock").exists()
