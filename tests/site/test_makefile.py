"""The commands of the Makefile, as far as they can be tried without installing anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS = ["help", "setup", "run", "test", "lint", "format", "bench", "demo", "screenshots", "doctor", "lock", "clean"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile with lock files that need nothing."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).touch()
    return tmp_path


def _python(folder: Path, script: str) -> Path:
    path = folder / "python-for-test"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A make that runs these tests hands down its own flags.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [[], ["help"]])
def test_help_lists_every_command(checkout: Path, arguments: list[str]) -> None:
    done = _make(checkout, *arguments)

    assert done.returncode == 0
    assert re.findall(r"^  make (\w+) +\S", done.stdout, re.MULTILINE) == COMMANDS


def test_an_old_python_is_refused_in_one_sentence(checkout: Path) -> None:
    python = _python(checkout, "exit 1")

    done = _make(checkout, f"PYTHON={python}", "setup")

    assert done.returncode != 0
    assert f"Python 3.11 or later is needed, and {python} is not that." in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_gets_the_remedy(checkout: Path) -> None:
    python = _python(checkout, 'case "$*" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac')

    done = _make(checkout, f"PYTHON={python}", "setup")

    assert done.returncode != 0
    assert "sudo apt-get install -y python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_setup_installs_once_and_again_after_a_change(checkout: Path) -> None:
    # Stands for the environment's python: notes each call of pip.
    (checkout / ".venv" / "bin").mkdir(parents=True)
    calls = checkout / "calls"
    shutil.copy(_python(checkout, f'echo "$*" >> {calls}'), checkout / ".venv" / "bin" / "python")
    python = _python(checkout, "exit 0")

    for _ in range(2):
        assert _make(checkout, f"PYTHON={python}", "setup").returncode == 0
    first = calls.read_text().splitlines()
    os.utime(checkout / "requirements.lock", (2**31, 2**31))
    assert _make(checkout, f"PYTHON={python}", "setup").returncode == 0

    assert len(first) == 1
    assert "--require-hashes" in first[0]
    assert first[0].endswith("-r requirements.lock")
    assert len(calls.read_text().splitlines()) == 2
