"""Runs the scripts of ``scripts/`` with the interpreter of a client version."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import CACHE, ClientUnavailable, client_environment

SCRIPTS = Path(__file__).with_name("scripts")
SCRIPT_SECONDS = 180
# Clients read a key and an address from these when they are not given.
_DROPPED_PREFIXES = ("INKBOX_", "PYTHON")


def require_client(version: str) -> Path:
    """Return the interpreter that has this client, or skip (in CI: fail) the test."""
    found = client_environment(version)
    if isinstance(found, ClientUnavailable):
        if found.is_failure:
            pytest.fail(found.reason, pytrace=False)
        pytest.skip(found.reason)
    return found


def run_client(version: str, script_name: str, **inputs: Any) -> dict[str, Any]:
    """Run ``scripts/<script_name>.py`` with that client; return the object it prints.

    The test fails with the script's traceback when it does not end well within 120 s.
    """
    python = require_client(version)
    done = subprocess.run(
        [str(python), str(SCRIPTS / f"{script_name}.py")],
        input=json.dumps(inputs),
        env=client_process_environment(),
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(
            f"{script_name}.py with client {version} ended with status {done.returncode}:\n{done.stderr}",
            pytrace=False,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def client_process_environment() -> dict[str, str]:
    """Return an environment in which only explicit arguments configure a client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED_PREFIXES)}
    # No ``~/.inkbox/config`` of the person who runs the tests, and no proxy on loopback.
    home = CACHE / "home"
    home.mkdir(parents=True, exist_ok=True)
    return kept | {"HOME": str(home), "NO_PROXY": "127.0.0.1,localhost"}
