"""Querysets that are compiled to SQL once and then only given values.

Building and compiling a queryset costs several times what SQLite needs to answer it. For the few reads that every
request makes, the SQL is made once from an ordinary queryset (so the ORM stays the only place that writes SQL, for
both databases) and run with fresh parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import orjson
from django.db import connection, models
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=models.Model)
_Decode = Callable[[Any], Any]

# The stubs describe a later Django, where this takes one argument more.
_related_populators = cast("Callable[..., list[Any]]", get_related_populators)

_SAMPLES: dict[type, Callable[[int], Any]] = {
    UUID: lambda n: UUID(int=0xFEED_0000_0000_4000_8000_0000_0000_0000 + n),
    str: lambda n: f"sample-parameter-{n}",
    datetime: lambda n: datetime(1901, 1, 1, tzinfo=UTC) + timedelta(days=n, microseconds=7),
}


@dataclass(frozen=True, slots=True)
class Many:
    """An argument that is a non-empty collection, for `__in` lookups.

    The SQL has a fixed number of places, a power of two; what is left over repeats the first value.
    """

    kind: type


class Prepared(Generic[M]):
    """`build` makes the queryset from arguments of the given `kinds` (UUID, str or datetime, or Many of them).

    It is called once per number of places, with samples; each sample must end up as a parameter of the SQL unchanged,
    so `build` may filter with its arguments but not look at them.
    """

    def __init__(self, build: Callable[..., models.QuerySet[M, Any]], *kinds: type | Many) -> None:
        self._build = build
        self._kinds = kinds
        self._plans: dict[tuple[int, ...], _Plan] = {}

    def objects(self, *arguments: Any) -> list[M]:
        """Model instances, as the queryset itself would give."""
        plan, rows = self._run(arguments)
        return cast("list[M]", plan.instances(rows))

    def first(self, *arguments: Any) -> M | None:
        """The first instance; `build` should limit the queryset to one row."""
        found = self.objects(*arguments)
        return found[0] if found else None

    def tuples(self, *arguments: Any) -> list[tuple[Any, ...]]:
        """For a `.values_list(...)` queryset: rows of Python values."""
        plan, rows = self._run(arguments)
        return plan.tuples(rows)

    def json_rows(self, *arguments: Any) -> list[dict[str, Any]]:
        """For a `.values(...)` queryset: rows whose values the JSON encoder takes as they are.

        UUIDs may be text, JSON columns are passed through without being parsed.
        """
        plan, rows = self._run(arguments)
        return plan.json_rows(rows)

    def _run(self, arguments: Sequence[Any]) -> tuple[_Plan, list[tuple[Any, ...]]]:
        places: list[int] = []
        flat: list[Any] = []
        for kind, argument in zip(self._kinds, arguments, strict=True):
            if isinstance(kind, Many):
                values = list(argument)
                room = 1 << (len(values) - 1).bit_length()
                flat += values + values[:1] * (room - len(values))
                places.append(room)
            else:
                flat.append(argument)
                places.append(0)
        shape = tuple(places)
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._plans[shape] = self._prepare(shape)
        return plan, plan.fetch(flat)

    def _prepare(self, shape: tuple[int, ...]) -> _Plan:
        numbers = count()
        arguments: list[Any] = []
        flat: list[Any] = []
        for kind, places in zip(self._kinds, shape, strict=True):
            one = kind.kind if isinstance(kind, Many) else kind
            samples = [_SAMPLES[one](next(numbers)) for _ in range(max(1, places))]
            arguments.append(samples if isinstance(kind, Many) else samples[0])
            flat += samples
        return _Plan(self._build(*arguments), flat)


class _Plan:
    """SQL, where the arguments go, and how to read rows."""

    def __init__(self, rows: models.QuerySet[Any, Any], samples: Sequence[Any]) -> None:
        compiler: Any = rows.query.get_compiler(connection=connection)
        self.sql, parameters = compiler.as_sql()
        numbers = {_adapt(sample): number for number, sample in enumerate(samples)}
        self._parameters = list(parameters)
        self._slots = [
            (index, numbers[value])
            for index, value in enumerate(parameters)
            if isinstance(value, str | UUID | datetime) and value in numbers
        ]
        if {number for _, number in self._slots} != set(range(len(samples))):
            raise TypeError("an argument of a prepared query does not reach the SQL unchanged")
        expressions = [column[0] for column in compiler.select]
        self._converters = [(i, functions, e) for i, (functions, e) in compiler.get_converters(expressions).items()]
        self._names = [*compiler.query.values_select]
        if self._names:
            decoders = zip(self._names, map(_decoder, expressions), strict=True)
            self._decoders = [(name, decode) for name, decode in decoders if decode is not None]
        else:
            self._klass_info = compiler.klass_info
            fields = self._klass_info["select_fields"]
            self._start, self._end = fields[0], fields[-1] + 1
            self._init_list = [expressions[i].target.attname for i in range(self._start, self._end)]
            self._populators = _related_populators(self._klass_info, compiler.select, "default")

    def fetch(self, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The database's own rows."""
        parameters = list(self._parameters)
        for index, number in self._slots:
            parameters[index] = _adapt(arguments[number])
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def instances(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Rows as model instances with their select_related ones."""
        found = []
        model = self._klass_info["model"]
        for row in self.tuples(rows):
            instance = model.from_db("default", self._init_list, row[self._start : self._end])
            for populator in self._populators:
                populator.populate(row, instance)
            found.append(instance)
        return found

    def tuples(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Rows as Python values."""
        if not self._converters:
            return list(rows)
        found = []
        for raw in rows:
            row = list(raw)
            for index, functions, expression in self._converters:
                value = row[index]
                for function in functions:
                    value = function(value, expression, connection)
                row[index] = value
            found.append(tuple(row))
        return found

    def json_rows(self, rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Rows as JSON-ready dicts."""
        found = []
        for row in rows:
            record = dict(zip(self._names, row, strict=True))
            for name, decode in self._decoders:
                if (value := record[name]) is not None:
                    record[name] = decode(value)
            found.append(record)
        return found


def _adapt(value: Any) -> Any:
    """As the database driver takes it."""
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


def _decoder(expression: Any) -> _Decode | None:
    """How a column becomes something that orjson writes correctly; None when it is that already."""
    field = expression.output_field
    while field.is_relation:
        field = field.target_field
    if isinstance(field, models.JSONField):
        return orjson.Fragment
    if connection.vendor != "sqlite":
        return None
    if isinstance(field, models.UUIDField):
        return _dashed
    return _utc if isinstance(field, models.DateTimeField) else None


# The same mailbox and thread stand in every row of a page.
@lru_cache(maxsize=4096)
def _dashed(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _utc(moment: datetime) -> datetime:
    # Django's SQLite driver already made it a datetime, in UTC but without saying so.
    return moment.replace(tzinfo=UTC)
