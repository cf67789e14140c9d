"""Querysets compiled once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.prepared import Many, Prepared
from identities.models import AgentIdentity, ApiKey
from tests.factories.identities import admin_key, agent, agent_key, key_row

pytestmark = pytest.mark.django_db


def test_instances_equal_those_of_the_queryset() -> None:
    identity = agent()
    key = key_row(agent_key(identity))
    prepared = Prepared(lambda pk: ApiKey.objects.select_related("scoped_identity").filter(pk=pk)[:1], str)

    with CaptureQueriesContext(connection) as captured:
        found = prepared.first(key.pk)
        assert found is not None
        assert found.scoped_identity == identity

    assert len(captured) == 1
    expected = ApiKey.objects.get(pk=key.pk)
    for field in ApiKey._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(expected, field.attname), field.name
    for field in AgentIdentity._meta.concrete_fields:
        assert getattr(found.scoped_identity, field.attname) == getattr(identity, field.attname), field.name


def test_a_missing_related_row_is_none() -> None:
    key = key_row(admin_key())
    prepared = Prepared(lambda pk: ApiKey.objects.select_related("scoped_identity").filter(pk=pk)[:1], str)

    found = prepared.first(key.pk)

    assert found is not None
    assert found.scoped_identity is None
    assert prepared.first("ApiKey_unknown") is None


def test_arguments_replace_only_their_own_samples() -> None:
    one, two = agent(), agent()
    prepared: Prepared[AgentIdentity] = Prepared(
        lambda pk, since: AgentIdentity.objects.alive().filter(pk=pk, created_at__gte=since, status="active"),
        UUID,
        datetime,
    )

    assert [row.pk for row in prepared.objects(one.pk, datetime(2020, 1, 1, tzinfo=UTC))] == [one.pk]
    assert [row.pk for row in prepared.objects(two.pk, datetime(2020, 1, 1, tzinfo=UTC))] == [two.pk]
    assert prepared.objects(two.pk, datetime(2999, 1, 1, tzinfo=UTC)) == []
    assert prepared.objects(uuid4(), datetime(2020, 1, 1, tzinfo=UTC)) == []


def test_deferred_columns_are_read_when_they_are_asked_for() -> None:
    identity = agent()
    prepared = Prepared(lambda pk: AgentIdentity.objects.filter(pk=pk).defer("description"), UUID)

    found = prepared.first(identity.pk)

    assert found is not None
    assert found.get_deferred_fields() == {"description"}
    assert found.description is None


def test_an_argument_that_does_not_reach_the_sql_is_an_error() -> None:
    prepared = Prepared(lambda handle: AgentIdentity.objects.filter(agent_handle=handle.upper()), str)

    with pytest.raises(TypeError, match="does not reach the SQL"):
        prepared.objects("alpha")


def test_a_collection_fills_its_places_whatever_its_size() -> None:
    agents = [agent() for _ in range(5)]
    prepared = Prepared(
        lambda ids, handles: AgentIdentity.objects.filter(pk__in=ids, agent_handle__in=handles).values_list(
            "pk", "status"
        ),
        Many(UUID),
        Many(str),
    )

    for size in range(1, 6):
        found = prepared.tuples([a.pk for a in agents[:size]], {a.agent_handle for a in agents})
        assert sorted(found) == sorted((a.pk, "active") for a in agents[:size])
    assert prepared.tuples({uuid4()}, [agents[0].agent_handle]) == []
