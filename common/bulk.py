"""Insert many fresh rows of one model quickly.

`bulk_create` spends most of its time preparing each value of each field through several layers. The SMTP door stores
hundreds of messages a second, so here the statement and one converter per column are made once per model and reused.
Only for rows made in this process with all values set, but for a key that the database gives: no signals, no relations
saved, no ids handed back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection, models

_Convert = Callable[[Any], Any]
# Their Python values are what the database drivers take.
_PLAIN = (models.CharField, models.TextField, models.BooleanField, models.IntegerField, models.BinaryField)


def insert_rows(model: type[models.Model], rows: Iterable[models.Model]) -> None:
    """Insert `rows` in order, inside the caller's transaction. Raises IntegrityError like any insert."""
    given = list(rows)
    if not given:
        return
    has_key = any(row.pk is not None for row in given)
    columns = _columns(model, connection.vendor, has_key)
    values = [tuple(convert(getattr(row, name)) for name, convert in columns) for row in given]
    with connection.cursor() as cursor:
        cursor.executemany(_statement(model, connection.vendor, has_key), values)


@lru_cache(maxsize=64)
def _statement(model: type[models.Model], _vendor: str, has_key: bool) -> str:
    quote = connection.ops.quote_name
    columns = [quote(str(field.column)) for field in _fields(model, has_key)]
    places = ", ".join(["%s"] * len(columns))
    # Names come from our own models, values are parameters.
    return f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608


@lru_cache(maxsize=64)
def _columns(model: type[models.Model], _vendor: str, has_key: bool) -> tuple[tuple[str, _Convert], ...]:
    return tuple((field.attname, _converter(field)) for field in _fields(model, has_key))


def _fields(model: type[models.Model], has_key: bool) -> list[Any]:
    """All; without its key, where the rows leave that to the database."""
    return [field for field in model._meta.concrete_fields if has_key or not field.primary_key]


def _converter(field: Any) -> _Convert:
    target = field
    while target.is_relation:
        target = target.target_field
    if isinstance(target, models.UUIDField):
        return _same if connection.features.has_native_uuid_field else _uuid_text
    if isinstance(target, _PLAIN):
        return _same
    if isinstance(target, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    return lambda value: field.get_db_prep_save(value, connection)


def _same(value: Any) -> Any:
    return value


def _uuid_text(value: UUID | None) -> str | None:
    return None if value is None else value.hex
