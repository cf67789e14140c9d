"""The views of the list that each generation of clients asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories.identities import admin_client, agent, agent_client
from tests.factories.mail import mailbox_of
from tests.factories.webhooks import HOOK, some_id, subscription

pytestmark = pytest.mark.django_db

PATH = "/webhooks/subscriptions"


def _names(answer: Any, rows: dict[str, Any]) -> list[str]:
    by_id = {str(row.pk): name for name, row in rows.items()}
    assert answer.status_code == 200
    return sorted(by_id[item["id"]] for item in answer.json()["subscriptions"])


def _world() -> tuple[Any, Any, dict[str, Any]]:
    identity = agent()
    mailbox = mailbox_of(identity)
    rows = {
        "mailbox": subscription(identity, "message.received", mailbox_id=mailbox.pk),
        "identity mail": subscription(identity, "message.sent", url=HOOK + "/mail"),
        "identity text": subscription(identity, "text.received", url=HOOK + "/text"),
        "identity call": subscription(identity, "call.ended", url=HOOK + "/call"),
        "mixed": subscription(identity, "call.ended", "message.failed", url=HOOK + "/mixed"),
        "number": subscription(identity, "text.sent", phone_number_id=some_id()),
        "deleted": subscription(identity, "call.ended", status="deleted"),
        "sibling": subscription(agent(identity.organization), "message.received"),
    }
    return identity, mailbox, rows


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["identity call", "identity mail", "identity text", "mailbox", "mixed", "number", "sibling"]),
        ("mailbox_id={mailbox}", ["identity mail", "mailbox"]),
        ("phone_number_id={number}", ["number"]),
        ("agent_identity_id={identity}", ["identity call", "identity mail", "identity text"]),
        (
            "agent_identity_id={identity}&scope=identity",
            ["identity call", "identity mail", "identity text", "mailbox", "mixed", "number"],
        ),
        (
            "mailbox_id={mailbox}&scope=identity",
            ["identity call", "identity mail", "identity text", "mailbox", "mixed", "number"],
        ),
        ("event_type=call.ended", ["identity call", "mixed"]),
        ("event_type=call.ended&agent_identity_id={identity}", ["identity call"]),
        ("url=https://hooks.example.com/in/mixed", ["mixed"]),
        ("url=https://hooks.example.com/in/mixed&agent_identity_id={identity}", []),
        ("url=https://hooks.example.com", []),
        ("mailbox_id={nothing}", []),
        ("agent_identity_id={nothing}&scope=identity", []),
    ],
)
def test_filters(query: str, expected: list[str]) -> None:
    identity, mailbox, rows = _world()
    query = query.format(
        identity=identity.pk, mailbox=mailbox.pk, number=rows["number"].phone_number_id, nothing=some_id()
    )

    answer = admin_client(identity.organization).get(f"{PATH}?{query}")

    assert _names(answer, rows) == expected


def test_newest_first() -> None:
    identity = agent()
    rows = [subscription(identity, url=f"{HOOK}/{n}") for n in range(3)]

    answer = agent_client(identity).get(PATH)

    assert [item["id"] for item in answer.json()["subscriptions"]] == [str(row.pk) for row in reversed(rows)]


def test_an_agent_sees_its_own_rows_whatever_it_asks_for() -> None:
    identity, mailbox, rows = _world()
    client = agent_client(agent(identity.organization))

    for query in (f"agent_identity_id={identity.pk}&scope=identity", f"mailbox_id={mailbox.pk}", "url=" + HOOK):
        assert _names(client.get(f"{PATH}?{query}"), rows) == []


def test_two_owner_filters_are_refused() -> None:
    answer = admin_client().get(f"{PATH}?mailbox_id={some_id()}&agent_identity_id={some_id()}")

    assert answer.status_code == 422
    assert answer.json() == {"detail": "Filter by one of mailbox_id, phone_number_id and agent_identity_id."}


def test_the_list_costs_the_same_for_any_number_of_rows(django_assert_max_num_queries: Any) -> None:
    identity = agent()
    client = agent_client(identity)
    for number in range(30):
        subscription(identity, url=f"{HOOK}/{number}", token="t")
    client.get(PATH)

    with django_assert_max_num_queries(3):
        assert len(client.get(PATH).json()["subscriptions"]) == 30


def test_both_spellings_of_the_path_work() -> None:
    client = admin_client()

    assert client.get(PATH).json() == client.get(PATH + "/").json() == {"subscriptions": []}
