"""Settings from the environment. Each variable may also be given as NAME_FILE, the path of a file that holds it.

Every read is recorded in DECLARED, so a test can compare the variables with docs/configuration.md.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DECLARED: dict[str, str] = {}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


class BadEnvironment(ValueError):
    """A variable has a value that cannot be used; the text names it and says what is expected."""


def text(name: str, default: str = "") -> str:
    """The variable's text: NAME, else the stripped content of the file NAME_FILE, else `default`."""
    DECLARED[name] = default
    if (value := os.environ.get(name)) is not None:
        return value.strip()
    if path := os.environ.get(f"{name}_FILE"):
        return _read(name, path)
    return default


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadEnvironment(f"{name}_FILE: cannot read {path}: {error.strerror}") from error


def flag(name: str, default: bool = False) -> bool:
    """A yes/no variable: 1/true/yes/on or 0/false/no/off."""
    value = text(name, "1" if default else "0").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise BadEnvironment(f"{name}={value!r}: use 1 or 0")


def number(name: str, default: int, *, low: int = 0, high: int = 2**53) -> int:
    """A whole number between `low` and `high`."""
    value = text(name, str(default))
    try:
        result = int(value)
    except ValueError:
        raise BadEnvironment(f"{name}={value!r}: use a whole number") from None
    if not low <= result <= high:
        raise BadEnvironment(f"{name}={value!r}: use a number from {low} to {high}")
    return result


def prefixed(prefix: str) -> dict[str, Any]:
    """All variables that begin with `prefix`, without it (and NAME_FILE ones read). JSON objects are parsed.

    For settings of a library that has many: their names are documented there, not in DECLARED.
    """
    names = {name.removesuffix("_FILE") for name in os.environ if name.startswith(prefix)}
    found: dict[str, Any] = {}
    for name in sorted(names):
        value = os.environ.get(name)
        if value is None:
            value = _read(name, os.environ[f"{name}_FILE"])
        found[name.removeprefix(prefix)] = json.loads(value) if value.lstrip().startswith("{") else value.strip()
    return found
