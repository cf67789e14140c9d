"""Pages of long lists, by number: people go back and forth, and a list may be sorted by more than a cursor can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest

T = TypeVar("T")
PAGE_ROWS = 50
_MAX_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows, and the query strings of the pages beside this one (None where there is none)."""

    rows: Sequence[T]
    previous: str | None
    following: str | None


def page_number(request: HttpRequest) -> int:
    """From `?page=`, 1 for anything that is no number."""
    text = request.GET.get("page", "")
    return min(max(int(text), 1), _MAX_PAGE) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def page_offset(request: HttpRequest) -> int:
    """How many rows come before the page that is asked for."""
    return (page_number(request) - 1) * PAGE_ROWS


def page_of(request: HttpRequest, rows: Sequence[T]) -> Page[T]:
    """A page from up to PAGE_ROWS + 1 rows; the last one only tells that there are more."""
    number = page_number(request)
    return Page(
        rows[:PAGE_ROWS],
        _query(request, number - 1) if number > 1 else None,
        _query(request, number + 1) if len(rows) > PAGE_ROWS and number < _MAX_PAGE else None,
    )


def paginate(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    """The page of a query; one query."""
    start = page_offset(request)
    return page_of(request, list(rows[start : start + PAGE_ROWS + 1]))


def _query(request: HttpRequest, number: int) -> str:
    query = request.GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"
