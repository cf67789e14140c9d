"""The page of the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.actor import Actor, ActorKind
from identities.enums import AuditAction
from identities.services.audit import Target, record_audit
from tests.console.pages import signed_in
from tests.factories.identities import agent, organization

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


def act(
    of: Any, action: AuditAction, label: str, kind: ActorKind = ActorKind.USER, name: str = "ada@x.example"
) -> None:
    with transaction.atomic():
        record_audit(of.pk, action, Target("t", label), {"fields": [HOSTILE]}, actor=Actor(kind, "u", name))


def page(client: Any, **query: object) -> str:
    response = client.get(reverse("console:audit"), query)
    assert response.status_code == 200
    content: str = response.content.decode()
    return content


def test_the_own_log_is_shown_and_no_other() -> None:
    acme, other = organization(), organization()
    act(acme, AuditAction.KEY_CREATED, HOSTILE)
    act(other, AuditAction.KEY_CREATED, "foreign")

    text = page(signed_in(acme))

    assert "API key created" in text
    assert "ada@x.example" in text
    assert "foreign" not in text
    assert HOSTILE not in text


def test_what_people_do_on_pages_is_theirs() -> None:
    acme = organization()
    client = signed_in(acme)

    client.post(reverse("console:new_agent"), {"agent_handle": "helper"})

    text = page(client, actor="user", area="identity")
    assert "Agent created" in text
    assert "@helper" in text


def test_filters_narrow() -> None:
    acme = organization()
    act(acme, AuditAction.KEY_CREATED, "first")
    act(acme, AuditAction.WEBHOOK_DELETED, "second", ActorKind.KEY, "ApiKey_12345678")
    client = signed_in(acme)

    by_area, by_actor, by_name = page(client, area="webhook"), page(client, actor="user"), page(client, q="SECO")
    nothing = page(client, area="api_key", q="second")

    assert ("second" in by_area, "first" in by_area) == (True, False)
    assert ("second" in by_actor, "first" in by_actor) == (False, True)
    assert ("second" in by_name, ">first<" in by_name) == (True, False)
    assert "Nothing found" in nothing


@pytest.mark.parametrize(
    "query", [{"area": "x'"}, {"actor": "%"}, {"before": "-1"}, {"before": "9" * 40}, {"q": "\x00"}]
)
def test_senseless_filters_are_left_out(query: dict[str, str]) -> None:
    acme = organization()
    act(acme, AuditAction.KEY_CREATED, "first")

    assert "first" in page(signed_in(acme), **query)


def test_pages_follow_each_other_at_the_same_cost() -> None:
    acme = organization()
    client = signed_in(acme)
    for number in range(51):
        act(acme, AuditAction.KEY_CREATED, f"key-{number:03}")
    page(client)

    with CaptureQueriesContext(connection) as many:
        first = page(client, area="api_key")
    second = page(client, area="api_key", before="2")

    assert "key-050" in first
    assert "key-000" not in first
    assert "?area=api_key&amp;before=2" in first
    assert "key-000" in second
    assert "Older" not in second
    assert len(many) <= 8


def test_an_empty_log_says_what_will_be_in_it() -> None:
    assert "Nothing yet" in page(signed_in(organization()))


def test_agents_act_too() -> None:
    acme = organization()
    agent(acme, "alpha")

    assert "Agent created" in page(signed_in(acme))
