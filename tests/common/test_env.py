"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import env
from common.env import BadEnvironment

NAME = "INKBOX_TEST_ONLY"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.delenv(f"{NAME}_FILE", raising=False)
    # What tests read must not appear in the list of documented variables.
    monkeypatch.setattr(env, "DECLARED", dict(env.DECLARED))


def test_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.text(NAME) == ""
    assert env.text(NAME, "fallback") == "fallback"

    monkeypatch.setenv(NAME, "  value ")

    assert env.text(NAME, "fallback") == "value"


def test_an_empty_variable_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "")

    assert env.text(NAME, "fallback") == ""


def test_text_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))

    assert env.text(NAME) == "from the file"

    monkeypatch.setenv(NAME, "from the variable")
    assert env.text(NAME) == "from the variable"


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "absent"))

    with pytest.raises(BadEnvironment, match=f"{NAME}_FILE: cannot read .*absent: No such file"):
        env.text(NAME)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("1", True),
        ("true", True),
        ("YES", True),
        ("on", True),
        ("0", False),
        ("no", False),
        ("OFF", False),
        ("", False),
        ("False", False),
    ],
)
def test_flag(monkeypatch: pytest.MonkeyPatch, value: str, result: bool) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.flag(NAME) is result
    assert env.flag(NAME, default=True) is result


@pytest.mark.parametrize("default", [True, False])
def test_an_absent_flag_is_its_default(default: bool) -> None:
    assert env.flag(NAME, default) is default


@pytest.mark.parametrize("value", ["maybe", "2", "-"])
def test_a_bad_flag_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(BadEnvironment, match=f"{NAME}='{value}': use 1 or 0"):
        env.flag(NAME)


def test_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.number(NAME, 7) == 7

    monkeypatch.setenv(NAME, " 65535 ")

    assert env.number(NAME, 7, high=65535) == 65535


@pytest.mark.parametrize("value", ["", "x", "1.5", "1e3", "0x10"])
def test_a_bad_number_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(BadEnvironment, match="use a whole number"):
        env.number(NAME, 7)


@pytest.mark.parametrize("value", ["-1", "65536"])
def test_a_number_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(BadEnvironment, match="use a number from 0 to 65535"):
        env.number(NAME, 7, high=65535)


def test_reads_are_declared_with_their_defaults() -> None:
    env.text(NAME, "fallback")

    assert env.DECLARED[NAME] == "fallback"


def test_prefixed_variables_lose_their_prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("SAMPLE_ONE", " 1 ")
    monkeypatch.setenv("SAMPLE_TOKEN_FILE", str(secret))
    monkeypatch.setenv("SAMPLE_PARAMS", '{"region": "eu-1"}')

    assert env.prefixed("SAMPLE_") == {"ONE": "1", "TOKEN": "s3cret", "PARAMS": {"region": "eu-1"}}
