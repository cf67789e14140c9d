"""GET /api/v1/events without waiting: what is listed, to whom, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction

from identities.enums import Role
from identities.models import AgentIdentity
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent_client,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.factories.webhooks import bare_agent, happen, happen_often, new_event
from tests.identities.rows import all_rows
from webhooks.models import Event, EventLog, EventStream
from webhooks.outbox import record
from webhooks.services.retention import purge_old

pytestmark = pytest.mark.django_db


def _ids(client: ApiClient, query: str = "") -> list[str]:
    answer = client.get(f"/events?{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["events"]]


def test_an_event_is_the_webhook_envelope_with_number_and_identity() -> None:
    identity = bare_agent()
    event = happen(identity, data={"message": {"subject": "Grüße"}})

    body = admin_client(identity.organization).get("/events").json()

    assert body == {
        "events": [
            {
                "seq": event.position,
                "agent_identity_id": str(identity.pk),
                "id": event.pk,
                "event_type": "message.received",
                "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
                "data": {"message": {"subject": "Grüße"}, "contacts": [], "agent_identities": []},
            }
        ],
        "next_after": event.position,
        "has_more": False,
    }


def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    acme = organization()
    agents = [bare_agent(acme) for _ in range(3)]
    made = [happen(agents[n % 3]).pk for n in range(10)]
    client = admin_client(acme)
    seen: list[str] = []
    after: Any = 0

    for _ in range(4):
        page = client.get(f"/events?after={after}&limit=3").json()
        seen += [row["id"] for row in page["events"]]
        after = page["next_after"]

    assert seen == made
    assert page["has_more"] is False
    assert client.get(f"/events?after={after}").json()["events"] == []


def test_types_are_names_or_families_in_any_spelling() -> None:
    identity = bare_agent()
    sent = happen(identity, "message.sent")
    text = happen(identity, "text.received")
    call = happen(identity, "call.ended")
    client = agent_client(identity)

    assert _ids(client, "types=message.sent,call.ended") == [sent.pk, call.pk]
    assert _ids(client, "types=text.*&types=call.ended") == [text.pk, call.pk]
    assert _ids(client, "types=message.*") == [sent.pk]
    page = client.get("/events?types=message.*").json()
    assert page["next_after"] == call.position


def test_latest_is_where_new_events_begin() -> None:
    identity = bare_agent()
    last = happen_often(identity, 2)[1]
    client = agent_client(identity)

    page = client.get("/events?after=latest").json()
    newer = happen(identity)

    assert page == {"events": [], "next_after": last.position, "has_more": False}
    assert _ids(client, f"after={page['next_after']}") == [newer.pk]


def test_an_organization_without_events_has_an_empty_log() -> None:
    assert admin_client().get("/events").json() == {"events": [], "next_after": 0, "has_more": False}
    assert admin_client().get("/events?after=latest").json()["next_after"] == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=1e3", "after"),
        ("after=99999999999999999", "after"),
        ("after=9007199254740000", "after"),
        ("wait=31", "wait"),
        ("wait=-1", "wait"),
        ("wait=soon", "wait"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("types=", "types"),
        ("types=message", "types"),
        ("types=*.*", "types"),
        ("types=phone.incoming_call", "types"),
        ("agent_identity_id=me", "agent_identity_id"),
    ],
)
def test_a_bad_query_names_the_field(query: str, field: str) -> None:
    answer = admin_client().get(f"/events?{query}")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", field]


CALLERS = ("admin", "owner", "member", "own", "unclaimed", "sibling", "foreign", "no_org", "nobody")


@pytest.mark.parametrize(
    ("name", "status", "count"),
    list(zip(CALLERS, (200, 200, 200, 200, 403, 200, 200, 403, 401), (2, 2, 2, 1, 0, 0, 0, 0, 0), strict=True)),
)
@pytest.mark.parametrize("scoped", [False, True])
def test_matrix(name: str, status: int, count: int, scoped: bool) -> None:
    acme = organization()
    alpha = bare_agent(acme)
    happen(alpha)
    happen(bare_agent(acme))
    clients: dict[str, Callable[[], ApiClient]] = {
        "admin": lambda: admin_client(acme),
        "owner": lambda: session_client(acme, Role.OWNER),
        "member": lambda: session_client(acme, Role.MEMBER),
        "own": lambda: agent_client(alpha),
        "unclaimed": lambda: agent_client(unclaimed_agent(acme)),
        "sibling": lambda: agent_client(bare_agent(acme)),
        "foreign": lambda: admin_client(organization()),
        "no_org": lambda: ApiClient(bearer=session(None)),
        "nobody": nobody,
    }
    client = clients[name]()
    before = all_rows()

    answer = client.get(f"/events?agent_identity_id={alpha.pk}" if scoped else "/events")

    if scoped and name in ("sibling", "foreign"):
        status = 404
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["events"]) == (min(count, 1) if scoped else count)
    assert all_rows() == before


def test_a_list_costs_the_same_however_long(django_assert_max_num_queries: Any) -> None:
    identity = bare_agent()
    happen_often(identity, 20)
    client = agent_client(identity)
    client.get("/events")

    # The key, whether the identity is there, the log, the stream, the events.
    with django_assert_max_num_queries(5):
        client.get("/events")


@pytest.mark.parametrize("path", ["/events", "/events/stream"])
def test_the_log_is_only_read(path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert admin_client().call(method, path).status_code == 405


def test_a_stream_outside_of_the_web_process_says_where_it_is() -> None:
    answer = admin_client().get("/events/stream")

    assert answer.status_code == 503
    assert "manage.py serve" in answer.json()["detail"]


@pytest.mark.django_db(transaction=True)
def test_a_later_number_is_never_visible_before_an_earlier_one() -> None:
    acme = organization()
    first, second = bare_agent(acme), bare_agent(acme)
    has_recorded, may_commit = threading.Event(), threading.Event()
    done: list[str] = []

    def slow() -> None:
        with transaction.atomic():
            done.append(record(new_event(first)).pk)
            has_recorded.set()
            may_commit.wait(10)
        connection.close()

    def quick() -> None:
        done.append(happen(second).pk)
        connection.close()

    threads = [threading.Thread(target=slow), threading.Thread(target=quick)]
    threads[0].start()
    has_recorded.wait(10)
    threads[1].start()
    client = admin_client(acme) if connection.vendor == "postgresql" else None
    if client is not None:
        # The second has begun and waits: what a reader sees now has no event that could be overtaken.
        assert client.get("/events").json()["events"] == []
    threads[1].join(0.3)
    assert threads[1].is_alive()
    may_commit.set()
    for thread in threads:
        thread.join(10)

    assert _ids(client or admin_client(acme)) == done


def _purged(identity: AgentIdentity) -> tuple[int, int]:
    log = EventLog.objects.get(pk=identity.organization_id)
    return log.purged_position, EventStream.objects.get(pk=identity.pk).purged_position


def test_a_purge_tells_those_who_missed_something_and_nobody_else(settings: Any) -> None:
    settings.EVENT_RETENTION_DAYS = 7
    acme = organization()
    busy, quiet = bare_agent(acme), bare_agent(acme)
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC)) as clock:
        first = happen(quiet)
        old = happen_often(busy, 3)
        clock.shift(timedelta(days=8))
        Event.objects.filter(pk=first.pk).update(created_at=datetime(2026, 3, 8, tzinfo=UTC))
        kept = happen(busy)

        purge_old()

        assert _purged(busy) == (old[2].position, old[2].position)
        assert _purged(quiet)[1] == 0
        assert agent_client(busy).get(f"/events?after={old[0].position}").status_code == 410
        assert admin_client(acme).get(f"/events?after={old[0].position}").status_code == 410
        assert _ids(agent_client(quiet), f"after={first.position}") == []
        assert _ids(agent_client(busy), f"after={old[2].position}") == [kept.pk]
        assert _ids(agent_client(busy)) == [kept.pk]
        assert _ids(admin_client(acme), "after=0") == [first.pk, kept.pk]
