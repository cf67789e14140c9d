"""Opaque keyset cursors: the sort key and id of the last row, so pages stay stable while rows are inserted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from common.errors import Invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 100

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page starts: after the row with this timestamp and id."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        """URL-safe text."""
        return base64.urlsafe_b64encode(f"{self.at.isoformat()}|{self.id}".encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises Invalid (422) for anything that this server did not hand out."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
            at, _, row_id = raw.partition("|")
            cursor = cls(datetime.fromisoformat(at), UUID(row_id))
        except (ValueError, UnicodeError, binascii.Error):
            cursor = None
        if cursor is None or cursor.at.tzinfo is None:
            raise Invalid("This cursor is not valid. Start again without one.", loc=("query", "cursor"))
        return cursor


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows of one page, and where the next one starts."""

    items: Sequence[M]
    next_cursor: str | None

    def body(self, render: Callable[[Sequence[M]], list[dict[str, Any]]]) -> dict[str, Any]:
        """`{"items", "has_more", "next_cursor"}`."""
        return {"items": render(self.items), "has_more": self.next_cursor is not None, "next_cursor": self.next_cursor}


def newest_first(rows: QuerySet[M], *, at: str, limit: int, cursor: str | None) -> Page[M]:
    """One page of `rows` by falling (`at`, id). One query, one index range, whatever the size of the table."""
    if cursor:
        start = Cursor.decode(cursor)
        # The plain <= bounds the index range on every database; the second condition drops the rows already seen.
        rows = rows.filter(**{f"{at}__lte": start.at}).filter(Q(**{f"{at}__lt": start.at}) | Q(pk__lt=start.id))
    found = list(rows.order_by(f"-{at}", "-pk")[: limit + 1])
    items = found[:limit]
    more = len(found) > limit
    return Page(items, Cursor(getattr(items[-1], at), items[-1].pk).encode() if more else None)
