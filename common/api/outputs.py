"""Output serializers: the schema of a resource, rendered by plain attribute access.

A list of fifty rows runs through here, so there is no per-field machinery: values go to the JSON encoder as they are
(it writes UUIDs and timestamps itself). The declared fields exist for the OpenAPI schema and for their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from rest_framework import serializers


@lru_cache(maxsize=256)
def _getters(kind: type[OutputSerializer]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    rows: list[tuple[str, Callable[[Any], Any]]] = []
    for name, field in kind().fields.items():
        source = field.source or name
        custom = getattr(kind, f"get_{name}", None)
        rows.append((name, custom if custom is not None else _attribute(source)))
    return tuple(rows)


def _attribute(source: str) -> Callable[[Any], Any]:
    def get(row: Any) -> Any:
        return getattr(row, source)

    return get


class OutputSerializer(serializers.Serializer[Any]):
    """One per resource. `get_<field>` as a static method computes a field; otherwise the attribute of that name."""

    @classmethod
    def render(cls, row: Any) -> dict[str, Any]:
        """One row as a JSON-ready dict."""
        return {name: get(row) for name, get in _getters(cls)}

    @classmethod
    def render_many(cls, rows: Iterable[Any]) -> list[dict[str, Any]]:
        """Rows in order."""
        getters = _getters(cls)
        return [{name: get(row) for name, get in getters} for row in rows]
