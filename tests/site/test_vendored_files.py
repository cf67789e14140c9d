"""Libraries of others are what their list says, byte for byte."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.test import Client

VENDOR = Path(__file__).parents[2] / "static/vendor"
_ROW = re.compile(r"\| `([^`]+)`[^|]*\| `([0-9a-f]{64})` \|")
LISTED = dict(_ROW.findall((VENDOR / "README.md").read_text()))


def test_every_file_is_listed() -> None:
    files = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}

    assert files == set(LISTED) | {"README.md"}
    folders = {path.name for path in VENDOR.iterdir() if path.is_dir()}
    assert {path.removesuffix("/LICENSE") for path in files if path.endswith("/LICENSE")} == folders


@pytest.mark.parametrize("name", LISTED)
def test_files_are_the_published_ones(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == LISTED[name]


def test_what_derives_the_key_of_a_vault_may_connect_to_nothing(client: Client) -> None:
    policy = client.head("/static/console/vault/derive.worker.js").headers["Content-Security-Policy"]

    assert policy == "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
    other = client.head("/static/console/console.js").headers["Content-Security-Policy"]
    assert other != policy
