"""GET /api/v1/identities and /api/v1/identities/{handle}."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories.identities import admin_client, agent, agent_client, organization

pytestmark = pytest.mark.django_db


def test_lists_newest_first_without_deleted_but_with_paused() -> None:
    acme = organization()
    for handle in ("first", "second", "third"):
        agent(acme, handle)
    agent(acme, "sleeping", status="paused")
    client = admin_client(acme)
    client.delete("/identities/second")

    rows = client.get("/identities").json()

    assert [(row["agent_handle"], row["status"]) for row in rows] == [
        ("sleeping", "paused"),
        ("third", "active"),
        ("first", "active"),
    ]


def test_an_empty_list_is_an_empty_array() -> None:
    assert admin_client().get("/identities").json() == []


def test_an_agent_key_lists_exactly_itself() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    agent(acme, "bravo")

    rows = agent_client(alpha).get("/identities").json()

    assert [row["agent_handle"] for row in rows] == ["alpha"]


def test_another_organization_is_not_listed() -> None:
    agent(organization(), "alpha")

    assert admin_client(organization()).get("/identities").json() == []


@pytest.mark.parametrize("spelling", ["alpha", "@alpha", "%40alpha", "ALPHA", "@Alpha"])
def test_handles_are_found_in_every_spelling(spelling: str) -> None:
    acme = organization()
    agent(acme, "alpha")

    answer = admin_client(acme).get(f"/identities/{spelling}")

    assert answer.status_code == 200
    assert answer.json()["agent_handle"] == "alpha"


@pytest.mark.parametrize("handle", ["bravo", "self", "%00", "a%00b", "%F0%9F%A4%96", "alpha%20beta", "--", "%2525"])
def test_an_unknown_handle_is_not_found(handle: str) -> None:
    answer = admin_client().get(f"/identities/{handle}")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Identity not found"}


def _queries(client: Any, path: str) -> int:
    client.get(path)  # the first use of a key writes last_used_at
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_a_list_takes_the_same_queries_for_any_number_of_identities() -> None:
    acme = organization()
    client = admin_client(acme)
    agent(acme)
    for_one = _queries(client, "/identities")
    for number in range(11):
        client.post(f"/identities/{agent(acme, f'agent-number-{number}').agent_handle}/signing-key")

    for_twelve = _queries(client, "/identities")

    assert len(client.get("/identities").json()) == 12
    assert for_twelve == for_one
    # Key, identities with their signing keys, mailboxes, their legacy webhooks, tunnels, who may look at them.
    assert for_one <= 6


def test_one_identity_takes_few_queries() -> None:
    acme = organization()
    agent(acme, "alpha")

    assert _queries(admin_client(acme), "/identities/alpha") <= 6
