"""Parsed queries and small bodies of the mail API."""

from __future__ import annotations

from dataclasses import dataclass

from common.unset import UNSET, Unset


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Filters of a message list."""

    limit: int
    cursor: str | None = None
    direction: str | None = None
    start_datetime: str | None = None
    end_datetime: str | None = None
    tz: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadQuery:
    """Filters of a thread list."""

    limit: int
    cursor: str | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A page of a list without filters."""

    limit: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Flags:
    """Flags to change."""

    is_read: bool | Unset = UNSET
    is_starred: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class ThreadChanges:
    """What a thread can be changed in."""

    folder: str | Unset = UNSET
