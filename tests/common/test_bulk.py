"""`insert_rows` writes what Django's own `bulk_create` writes, for every model of the busiest app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connection, models
from django.test.utils import CaptureQueriesContext

from common.bulk import insert_rows
from common.ids import uuid7
from common.principal import Profile
from identities.models import AgentIdentity, Organization
from mail.models import Mailbox, Message, MessageContent, OutboundRecipient, SandboxMail, Thread
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, receive

pytestmark = pytest.mark.django_db

# What is written in bulk, and a model with an automatic key beside them.
MODELS = [Thread, Message, MessageContent, OutboundRecipient, SandboxMail]
TEXT = "Grüße 🎉 'quoted' \"twice\" %s \\ \u2028 日本語"
MOMENTS = [
    datetime(2026, 5, 4, 10, 1, 12, 554_001, tzinfo=UTC),
    datetime(2026, 5, 4, 10, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(1970, 1, 1, tzinfo=UTC),
]
JSON_VALUES: list[Any] = [[], ["a@x.example", TEXT], {"ä": [1, 2.5, None, True], "b": {}}]


_VALUES: list[tuple[type[Any], Callable[[int], Any]]] = [
    (models.AutoField, lambda number: 1000 + number),
    (models.UUIDField, lambda _: uuid7()),
    (models.DateTimeField, lambda number: MOMENTS[number]),
    (models.JSONField, lambda number: JSON_VALUES[number]),
    (models.BooleanField, lambda number: number == 1),
    (models.BinaryField, lambda number: bytes(range(256)) * number),
    (models.IntegerField, lambda number: (0, 17, 2**31 - 1)[number]),
    (models.TextField, lambda number: TEXT * (number + 1)),
]


def _value(field: Any, number: int, parents: dict[type[models.Model], models.Model]) -> Any:
    """A valid value for a column, another one for each number; null where that is allowed for number 2."""
    if field.is_relation:
        return parents[field.related_model].pk
    if field.null and number == 2:
        return None
    if field.choices:
        return field.choices[number % len(field.choices)][0]
    made = next((make(number) for kind, make in _VALUES if isinstance(field, kind)), None)
    return f"{number}{TEXT}"[: field.max_length] if made is None else made


def _parents() -> dict[type[models.Model], models.Model]:
    """Rows for the relations of one new row, not used by any other row where that matters."""
    box = mailbox_of(agent())
    received = receive(box)
    thread = received.thread
    # Without content or job: those are what some of the new rows are.
    message = Message.objects.create(mailbox=box, thread=thread, direction="inbound", status="received")
    without_mailbox = agent(profile=Profile.SEED)
    return {
        Organization: box.organization,
        AgentIdentity: without_mailbox,
        Mailbox: box,
        Thread: thread,
        Message: message,
    }


def _rows(model: type[models.Model]) -> Iterator[dict[str, Any]]:
    for number in range(3):
        parents = _parents()
        yield {field.attname: _value(field, number, parents) for field in model._meta.concrete_fields}


def _stored(model: type[models.Model], keys: list[Any]) -> list[tuple[Any, ...]]:
    """The rows as the database has them: raw columns, on SQLite with their storage classes."""
    quote = connection.ops.quote_name
    columns = [quote(str(field.column)) for field in model._meta.concrete_fields]
    if connection.vendor == "sqlite":
        columns += [f"typeof({column})" for column in columns]
    key = model._meta.pk
    sql = f"SELECT {', '.join(columns)} FROM {quote(model._meta.db_table)} WHERE {quote(str(key.column))} = %s"
    found = []
    with connection.cursor() as cursor:
        for value in keys:
            cursor.execute(sql, [key.get_db_prep_value(value, connection)])
            found += cursor.fetchall()
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_rows_are_written_as_by_django(model: type[models.Model]) -> None:
    values = list(_rows(model))
    keys = [row[model._meta.pk.attname] for row in values]
    model._default_manager.bulk_create(model(**row) for row in values)
    # Django overwrites `auto_now` columns, insert_rows takes what is given.
    automatic = [f.attname for f in model._meta.concrete_fields if getattr(f, "auto_now", False)]
    for key, row in zip(keys, values, strict=True):
        if automatic:
            model._default_manager.filter(pk=key).update(**{name: row[name] for name in automatic})
    expected = _stored(model, keys)
    read = list(model._default_manager.filter(pk__in=keys).order_by("pk").values())
    model._default_manager.filter(pk__in=keys).delete()

    insert_rows(model, [model(**row) for row in values])

    assert len(expected) == 3
    assert _stored(model, keys) == expected
    assert list(model._default_manager.filter(pk__in=keys).order_by("pk").values()) == read


def test_every_column_type_of_the_app_is_compared() -> None:
    kinds = {type(field) for model in MODELS for field in model._meta.concrete_fields}

    assert {models.UUIDField, models.JSONField, models.BinaryField, models.DateTimeField, models.TextField} <= kinds


def test_rows_keep_their_order_and_cost_one_statement() -> None:
    box = mailbox_of(agent())
    rows = [
        Thread(mailbox=box, subject=str(number), last_message_at=MOMENTS[0], created_at=MOMENTS[0])
        for number in range(100)
    ]

    with CaptureQueriesContext(connection) as queries:
        insert_rows(Thread, iter(rows))

    assert len(queries) == 1
    assert list(Thread.objects.order_by("pk").values_list("subject", flat=True)) == [str(n) for n in range(100)]


def test_no_rows_are_no_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        insert_rows(Thread, [])

    assert len(queries) == 0


def test_constraints_hold() -> None:
    box = mailbox_of(agent())
    double = Mailbox(organization_id=organization().pk, email_address=box.email_address, updated_at=MOMENTS[0])

    with pytest.raises(IntegrityError):
        insert_rows(Mailbox, [double])
