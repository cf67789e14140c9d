"""Opaque keyset cursors: the sort key and id of the last row, so pages stay stable while rows are inserted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from django.db.models import Model, Q, QuerySet

from common.errors import Invalid
from common.prepared import Prepared

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
        return self.encode_values(self.at.isoformat(), self.id)

    @staticmethod
    def encode_values(at: str, row_id: UUID | str) -> str:
        """URL-safe text of a sort key (ISO 8601) and an id."""
        return base64.urlsafe_b64encode(f"{at}|{row_id}".encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises Invalid (422) for anything that this server did not hand out."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
            at, _, row_id = raw.partition("|")
            moment = datetime.fromisoformat(at)
            # In UTC, because a moment at the edge of time overflows only when it is converted.
            cursor = cls(moment.astimezone(UTC), UUID(row_id)) if moment.tzinfo is not None else None
        except (ValueError, OverflowError, binascii.Error):
            cursor = None
        if cursor is None:
            raise Invalid("This cursor is not valid. Start again without one.", loc=("query", "cursor"))
        return cursor


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, each as the text of a JSON object, and where the next page starts."""

    texts: list[str]
    next_cursor: str | None

    @property
    def items(self) -> list[dict[str, Any]]:
        """The rows, parsed."""
        return [orjson.loads(text) for text in self.texts]

    @property
    def body(self) -> dict[str, Any]:
        """`{"items", "has_more", "next_cursor"}` for the JSON encoder, which copies the rows as they are."""
        items = orjson.Fragment(f"[{','.join(self.texts)}]")
        return {"items": items, "has_more": self.next_cursor is not None, "next_cursor": self.next_cursor}


class KeysetList(Generic[M]):
    """A list by falling (`at`, id). One query on one index range, whatever the size of the table.

    `rows` makes the unfiltered queryset from its key arguments, `filters` names what a page may be narrowed by (a
    lookup and the kind of its value). Each combination in use is compiled once (common/prepared.py).
    """

    def __init__(
        self,
        rows: Callable[..., QuerySet[M]],
        *,
        keys: Sequence[type],
        at: str,
        columns: Sequence[str],
        filters: Mapping[str, tuple[str, type]],
    ) -> None:
        self._rows, self._keys, self._at, self._columns, self._filters = rows, tuple(keys), at, tuple(columns), filters
        self._plan = lru_cache(maxsize=1024)(self._prepare)

    def page(self, *keys: Any, limit: int, cursor: str | None, shape: Hashable = None, **filters: Any) -> Page:
        """One page. `shape` is handed to `rows` beside the keys and selects a variant of the queryset.

        Raises Invalid (422) for a cursor that this server did not hand out.
        """
        start = Cursor.decode(cursor) if cursor else None
        given = {name: value for name, value in filters.items() if value is not None}
        plan = self._plan(shape, tuple(given), limit, start is not None)
        seek = (start.at, start.id) if start is not None else ()
        found = plan.json_texts(*keys, *given.values(), *seek)
        if len(found) <= limit:
            return Page(found, None)
        last = orjson.loads(found[limit - 1])
        return Page(found[:limit], Cursor.encode_values(last[self._at], last["id"]))

    def _prepare(self, shape: Hashable, names: tuple[str, ...], limit: int, has_cursor: bool) -> Prepared[M]:
        kinds = [*self._keys, *(self._filters[name][1] for name in names), *((datetime, UUID) if has_cursor else ())]

        def build(*values: Any) -> QuerySet[M, Any]:
            keys, rest = values[: len(self._keys)], values[len(self._keys) :]
            rows = self._rows(shape, *keys)
            for name, value in zip(names, rest, strict=False):
                rows = rows.filter(**{self._filters[name][0]: value})
            if has_cursor:
                at, row_id = rest[-2:]
                # The plain <= bounds the index range on every database; the second drops the rows already seen.
                rows = rows.filter(**{f"{self._at}__lte": at}).filter(Q(**{f"{self._at}__lt": at}) | Q(pk__lt=row_id))
            return rows.order_by(f"-{self._at}", "-pk").values(*self._columns)[: limit + 1]

        return Prepared(build, *kinds)
