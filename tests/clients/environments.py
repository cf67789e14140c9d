"""One virtual environment per published client version.

The client generations cannot be installed side by side, and none of them may
leak into the server's own environment, so each version gets a directory below
``.cache/clients/`` and is only ever run as a subprocess.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NEWEST = "0.7.20"
OLDEST = "0.4.6"
SEED = "0.3.1"

# The seed generation may be missing from a package index; the other two are published.
PUBLISHED = (NEWEST, OLDEST)
VERSIONS = (*PUBLISHED, SEED)

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "clients"

VENV_SECONDS = 120
INSTALL_SECONDS = 600
_MARKER = "installed.txt"
_REASON_LINES = 12


@dataclass(frozen=True)
class ClientUnavailable:
    """Why a client version could not be installed here."""

    version: str
    reason: str

    @property
    def is_failure(self) -> bool:
        """Whether this must fail the tests instead of skipping them.

        Continuous integration (the ``CI`` variable) has to have the published versions.
        """
        return bool(os.environ.get("CI")) and self.version in PUBLISHED


@cache
def client_environment(version: str) -> Path | ClientUnavailable:
    """Return the interpreter that has ``inkbox==version`` installed, installing it if needed.

    The answer is remembered for the life of the process. Parallel test workers
    wait for each other: the first one installs, the others find the marker.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    # The cache hides itself from version control, whatever the repository ignores.
    (CACHE / ".gitignore").write_text("*\n")
    with _exclusive(CACHE / f"{version}.lock"):
        directory = CACHE / version
        python = directory / "bin" / "python"
        if _is_complete(directory, version):
            return python
        shutil.rmtree(directory, ignore_errors=True)
        failure = _create(directory, python, version)
        if failure is not None:
            shutil.rmtree(directory, ignore_errors=True)
            return ClientUnavailable(version, failure)
        # Written last: an interrupted installation leaves no marker and is redone.
        (directory / _MARKER).write_text(_fingerprint(version))
        return python


def _create(directory: Path, python: Path, version: str) -> str | None:
    """Make the environment; return the reason when that fails."""
    steps = (
        ([sys.executable, "-m", "venv", str(directory)], VENV_SECONDS),
        (
            [str(python), "-m", "pip", "install", "--quiet", f"inkbox=={version}"],
            INSTALL_SECONDS,
        ),
    )
    for command, seconds in steps:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return f"client {version}: {' '.join(command[1:])} took over {seconds} s"
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()[-_REASON_LINES:]
            return f"client {version}: {' '.join(command[1:])} failed:\n" + "\n".join(lines)
    return None


def _is_complete(directory: Path, version: str) -> bool:
    marker = directory / _MARKER
    # A virtual environment breaks when the Python it points to is upgraded or removed.
    return marker.is_file() and marker.read_text() == _fingerprint(version) and (directory / "bin" / "python").exists()


def _fingerprint(version: str) -> str:
    return f"inkbox=={version} python=={sys.version.split()[0]} {sys.base_prefix}\n"


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold an advisory lock; the kernel drops it when the holder dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
