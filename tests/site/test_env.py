"""Variables: plain, from files, and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import env
from common.env import BadEnvironment


def test_a_variable_wins_over_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from file\n")
    monkeypatch.setenv("INKBOX_X", " direct ")
    monkeypatch.setenv("INKBOX_X_FILE", str(secret))

    assert env.text("INKBOX_X") == "direct"


def test_a_file_is_read_and_stripped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from file\n")
    monkeypatch.setenv("INKBOX_X_FILE", str(secret))

    assert env.text("INKBOX_X", "default") == "from file"


def test_a_missing_file_names_the_variable_and_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKBOX_X_FILE", "/nowhere/secret")

    with pytest.raises(BadEnvironment, match="INKBOX_X_FILE: cannot read /nowhere/secret"):
        env.text("INKBOX_X")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("", False)])
def test_flags(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("INKBOX_X", text)

    assert env.flag("INKBOX_X", default=not value) is value


def test_a_flag_that_is_neither_yes_nor_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKBOX_X", "perhaps")

    with pytest.raises(BadEnvironment, match="INKBOX_X='perhaps': use 1 or 0"):
        env.flag("INKBOX_X")


@pytest.mark.parametrize("text", ["many", "1.5", ""])
def test_a_number_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("INKBOX_X", text)

    with pytest.raises(BadEnvironment, match="use a whole number"):
        env.number("INKBOX_X", 3)


@pytest.mark.parametrize("text", ["-1", "65536"])
def test_a_number_out_of_range(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("INKBOX_X", text)

    with pytest.raises(BadEnvironment, match="use a number from 0 to 65535"):
        env.number("INKBOX_X", 3, high=65535)
