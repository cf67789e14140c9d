"""A data directory that is migrated once, because migrating takes most of a server's first start."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.site.server import environment, manage


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with an empty database of the current version."""
    data = tmp_path_factory.mktemp("migrated") / "data"
    done = manage(environment(data), "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return data


@pytest.fixture
def data(migrated: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(migrated, tmp_path / "data"))
