"""Querysets that are compiled to SQL once and then only given values.

Building and compiling a queryset costs several times what SQLite needs to answer it. For the few reads that every
request makes, the SQL is made once from an ordinary queryset (so the ORM stays the only place that writes queries, for
both databases) and run with fresh parameters.

SQLite gives up the interpreter lock for every row it steps to, and taking it back while another thread works costs more
than the row. So a page of JSON is put together inside the database and comes as one value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import orjson
from django.db import connection, connections, models
from django.db.models.query import get_related_populators

from common import wire
from common.lanes import lane_memory

M = TypeVar("M", bound=models.Model)

_PLACEHOLDER = re.compile(r"(?<!%)%s")

# The stubs describe a later Django, where this takes one argument more.
_related_populators = cast("Callable[..., list[Any]]", get_related_populators)

_SAMPLES: dict[type, Callable[[int], Any]] = {
    UUID: lambda n: UUID(int=0xFEED_0000_0000_4000_8000_0000_0000_0000 + n),
    str: lambda n: f"sample-parameter-{n}",
    datetime: lambda n: datetime(1901, 1, 1, tzinfo=UTC) + timedelta(days=n, microseconds=7),
    # Large enough to be no other parameter, small enough for a column of 64 bits.
    int: lambda n: 7_000_000_000_000_000_019 + n,
}


@dataclass(frozen=True, slots=True)
class Many:
    """An argument that is a non-empty collection, for `__in` lookups.

    The SQL has a fixed number of places, a power of two; what is left over repeats the first value.
    """

    kind: type


class Prepared(Generic[M]):
    """`build` makes the queryset from arguments of the given `kinds` (UUID, str, int or datetime, or Many of them).

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

    def json_texts(self, *arguments: Any) -> list[str]:
        """For a `.values(...)` queryset: each row as the text of a JSON object, in order."""
        plan, flat = self._plan_for(arguments)
        return plan.json_texts(flat)

    def _run(self, arguments: Sequence[Any]) -> tuple[_Plan, list[tuple[Any, ...]]]:
        plan, flat = self._plan_for(arguments)
        return plan, plan.fetch(flat)

    def _plan_for(self, arguments: Sequence[Any]) -> tuple[_Plan, list[Any]]:
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
        return plan, flat

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
        sql, parameters = compiler.as_sql()
        self._statement = _Statement(sql)
        numbers = {_adapt(sample): number for number, sample in enumerate(samples)}
        self._parameters = list(parameters)
        self._slots = [
            (index, numbers[value])
            for index, value in enumerate(parameters)
            if isinstance(value, str | UUID | datetime | int) and value in numbers
        ]
        if {number for _, number in self._slots} != set(range(len(samples))):
            raise TypeError("an argument of a prepared query does not reach the SQL unchanged")
        expressions = [column[0] for column in compiler.select]
        self._converters = [(i, functions, e) for i, (functions, e) in compiler.get_converters(expressions).items()]
        self._names = [*compiler.query.values_select]
        if self._names:
            self._json_names = [
                name
                for name, expression in zip(self._names, expressions, strict=True)
                if isinstance(_plain_field(expression), models.JSONField)
            ]
            self._json_statement = _json_statement(sql, self._names, expressions)
        else:
            self._klass_info = compiler.klass_info
            fields = self._klass_info["select_fields"]
            self._start, self._end = fields[0], fields[-1] + 1
            self._init_list = [expressions[i].target.attname for i in range(self._start, self._end)]
            self._populators = _related_populators(self._klass_info, compiler.select, "default")

    def fetch(self, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The database's own rows."""
        return self._statement.run(self._fill(arguments))

    def _fill(self, arguments: Sequence[Any]) -> list[Any]:
        parameters = list(self._parameters)
        for index, number in self._slots:
            value = arguments[number]
            parameters[index] = value if isinstance(value, str) else _adapt(value)
        return parameters

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

    def json_texts(self, arguments: Sequence[Any]) -> list[str]:
        """Rows as JSON texts."""
        if self._json_statement is None:
            return [self._json_text(row) for row in self.fetch(arguments)]
        [(text,)] = self._json_statement.run(self._fill(arguments))
        return text.split("\n") if text is not None else []

    def _json_text(self, row: tuple[Any, ...]) -> str:
        record = dict(zip(self._names, row, strict=True))
        for name in self._json_names:
            # The driver hands out JSON columns as text.
            if (value := record[name]) is not None:
                record[name] = orjson.Fragment(value)
        return wire.dumps(record).decode()


class _Statement:
    """SQL that is run again and again."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        # What Django's SQLite cursor does to every statement on every call.
        self._sqlite = _PLACEHOLDER.sub("?", sql).replace("%%", "%")

    def run(self, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows."""
        database: Any = connections["default"]  # once: `connection` looks it up for each attribute
        if database.vendor == "sqlite" and not (database.queries_logged or database.execute_wrappers):
            memory = lane_memory()
            if memory is not None and (known := memory.recall((self._sqlite, *parameters))) is not None:
                return known
            # The driver itself: the layers between cost more than the query, and add only the placeholders.
            database.ensure_connection()
            with database.wrap_database_errors:
                rows = cast("list[tuple[Any, ...]]", database.connection.execute(self._sqlite, parameters).fetchall())
            if memory is not None:
                memory.keep((self._sqlite, *parameters), rows)
            return rows
        with database.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            return cast("list[tuple[Any, ...]]", cursor.fetchall())


def _json_statement(sql: str, names: Sequence[str], expressions: Sequence[Any]) -> _Statement | None:
    """For SQLite: one text with a JSON object a line. None where the driver fetches all rows in one step anyway.

    A line feed cannot be part of a JSON text, it is always escaped.
    """
    if connection.vendor != "sqlite":
        return None
    columns = [f"c{number}" for number in range(len(names))]
    members = ", ".join(
        f"'{name}', {_json_value(column, expression)}"
        for name, column, expression in zip(names, columns, expressions, strict=True)
    )
    # Names and SQL come from the models and the compiler, never from a request.
    rows = f"SELECT group_concat(json_object({members}), char(10)) FROM page"  # noqa: S608
    return _Statement(f"WITH page({', '.join(columns)}) AS ({sql}) {rows}")


def _json_value(column: str, expression: Any) -> str:
    """SQL that turns a column of SQLite into what the API says for it."""
    field = _plain_field(expression)
    if isinstance(field, models.JSONField):
        return f"json({column})"
    if isinstance(field, models.UUIDField):
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        dashed = " || '-' || ".join(f"substr({column}, {start}, {length})" for start, length in parts)
        return f"iif({column} IS NULL, NULL, {dashed})"
    if isinstance(field, models.DateTimeField):
        return f"iif({column} IS NULL, NULL, replace({column}, ' ', 'T') || 'Z')"
    if isinstance(field, models.BooleanField):
        return f"json(iif({column} IS NULL, NULL, iif({column}, 'true', 'false')))"
    return column


def _adapt(value: Any) -> Any:
    """As the database driver takes it."""
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value


def _plain_field(expression: Any) -> Any:
    field = expression.output_field
    while field.is_relation:
        field = field.target_field
    return field
