"""Events are numbered, frozen and queued in the transaction that causes them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection, transaction

from identities.services.moves import move_identity
from tests.factories.identities import organization
from tests.factories.webhooks import bare_agent, happen, new_event, some_id, subscription
from webhooks.enums import DispatchState
from webhooks.models import Dispatch, Event, EventLog, EventStream
from webhooks.outbox import NewEvent, record, record_many, recording_together

pytestmark = pytest.mark.django_db


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr("webhooks.outbox.nudge", lambda *args: sent.append(args))
    return sent


def test_an_event_outside_a_transaction_is_refused() -> None:
    identity = bare_agent()

    with pytest.raises(RuntimeError, match="inside the transaction"):
        record(new_event(identity))

    assert not Event.objects.exists()


def test_a_rolled_back_transaction_leaves_no_event_and_no_gap() -> None:
    identity = bare_agent()
    happen(identity)

    with transaction.atomic():
        record(new_event(identity))
        transaction.set_rollback(True)
    happen(identity)

    assert list(Event.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2]


def test_the_body_is_the_complete_envelope() -> None:
    identity = bare_agent()
    message_id = UUID("0192f0c1-0000-7000-8000-000000000001")
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    event = happen(identity, data={"message": {"id": message_id, "created_at": at, "subject": "Grüße"}})

    body = orjson.loads(event.body)
    assert list(body) == ["id", "event_type", "timestamp", "data"]
    assert body["id"] == event.pk
    assert body["event_type"] == "message.received"
    assert datetime.fromisoformat(body["timestamp"]) == event.created_at
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "message": {"id": str(message_id), "created_at": "2026-01-02T03:04:05Z", "subject": "Grüße"},
        "contacts": [],
        "agent_identities": [],
    }
    assert event.pk.startswith("evt_")
    assert UUID(event.pk.removeprefix("evt_")).version == 7


def test_lists_of_the_caller_are_kept_and_other_families_have_none() -> None:
    identity = bare_agent()

    mail = happen(identity, data={"message": {}, "contacts": [{"id": "c"}]})
    task = happen(identity, "a2a.task.created", data={"task_id": "t"})

    assert orjson.loads(mail.body)["data"] == {"message": {}, "contacts": [{"id": "c"}], "agent_identities": []}
    assert orjson.loads(task.body)["data"] == {"task_id": "t"}


def test_positions_rise_through_an_organization_and_say_when() -> None:
    acme = organization()
    first, second = bare_agent(acme), bare_agent(acme)
    before = time.time_ns() // 1000

    with transaction.atomic():
        rows = record_many([new_event(first), new_event(second), new_event(first)])
    later = happen(second)

    positions = [row.position for row in (*rows, later)]
    assert positions == sorted(set(positions))
    assert before < positions[0] < positions[-1] < time.time_ns() // 1000 + 10
    assert EventLog.objects.get().last_position == positions[-1]


def test_positions_rise_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = bare_agent()
    monkeypatch.setattr("webhooks.outbox.time.time_ns", lambda: 2_000_000)
    first = happen(identity)
    monkeypatch.setattr("webhooks.outbox.time.time_ns", lambda: 1_000_000)

    with transaction.atomic():
        rows = record_many([new_event(identity), new_event(identity)])

    assert (first.position, [row.position for row in rows]) == (2001, [2002, 2003])


def test_an_event_belongs_to_the_organization_its_stream_is_in_now() -> None:
    identity = bare_agent()
    happen(identity)
    stale = new_event(identity)
    moved = move_identity(identity, organization())

    with transaction.atomic():
        event = record(stale)

    assert event.organization_id == moved.organization_id != stale.organization_id


def test_each_stream_is_numbered_for_itself() -> None:
    first, second = bare_agent(), bare_agent()
    mailbox = some_id()
    loose = NewEvent(first.organization_id, None, "message.received", {}, mailbox_id=mailbox)

    with transaction.atomic():
        rows = record_many([new_event(first), new_event(second), new_event(first), loose, new_event(first)])
    with transaction.atomic():
        later = record_many([loose, new_event(first)])

    assert [(row.stream_id, row.seq) for row in rows] == [
        (first.pk, 1),
        (second.pk, 1),
        (first.pk, 2),
        (mailbox, 1),
        (first.pk, 3),
    ]
    assert [(row.stream_id, row.seq) for row in later] == [(mailbox, 2), (first.pk, 4)]
    assert dict(EventStream.objects.values_list("stream_id", "last_seq")) == {first.pk: 4, second.pk: 1, mailbox: 2}


def test_an_event_without_owner_or_with_an_unknown_name_is_a_mistake() -> None:
    identity = bare_agent()

    with pytest.raises(ValueError, match="needs an identity"), transaction.atomic():
        record(NewEvent(identity.organization_id, None, "message.received", {}))
    with pytest.raises(ValueError, match="not in the catalog"), transaction.atomic():
        record(new_event(identity, "message.eaten"))

    assert not Event.objects.exists()


def test_only_matching_active_subscriptions_get_a_dispatch(nudges: list[tuple[Any, ...]]) -> None:
    identity, sibling = bare_agent(), bare_agent()
    wanted = subscription(identity, "message.received", "call.ended")
    subscription(identity, "message.sent", url="https://other.example.com/")
    subscription(sibling, "message.received")
    gone = subscription(identity, "message.received", url="https://gone.example.com/", status="deleted")

    event = happen(identity)

    row = Dispatch.objects.get()
    assert (row.event_id, row.subscription_id) == (event.pk, wanted.pk)
    assert gone.pk != row.subscription_id
    assert row.state == DispatchState.PENDING
    assert (row.attempts, row.leased_until, row.body) == (0, None, None)
    assert row.next_attempt_at == event.created_at
    assert row.request_id.startswith("req_")
    assert nudges == [("webhooks.deliver",)]


def test_without_a_subscription_the_event_is_recorded_and_nobody_is_woken(nudges: list[tuple[Any, ...]]) -> None:
    identity = bare_agent()

    happen(identity)

    assert Event.objects.count() == 1
    assert not Dispatch.objects.exists()
    assert nudges == []


def test_legacy_selectors_match_the_mailbox_and_number() -> None:
    acme = organization()
    mailbox, number = some_id(), some_id()
    identity = bare_agent(acme)
    by_mailbox = subscription(identity, "message.received", mailbox_id=mailbox)
    by_number = subscription(None, "text.received", of=acme, phone_number_id=number)

    happen(identity)  # of no mailbox: a row made for a mailbox does not take it
    assert not Dispatch.objects.exists()
    happen(identity, mailbox_id=mailbox)
    with transaction.atomic():
        record(NewEvent(acme.pk, None, "text.received", {}, phone_number_id=number))

    assert list(Dispatch.objects.order_by("pk").values_list("subscription_id", flat=True)) == [
        by_mailbox.pk,
        by_number.pk,
    ]


def test_a_subscription_of_another_organization_never_matches() -> None:
    acme, other = organization(), organization()
    mailbox = some_id()
    subscription(None, "message.received", of=other, mailbox_id=mailbox)

    with transaction.atomic():
        record(NewEvent(acme.pk, None, "message.received", {}, mailbox_id=mailbox))

    assert not Dispatch.objects.exists()


def test_context_changes_the_body_of_its_own_dispatch_only() -> None:
    identity = bare_agent()
    config = {"email": None, "texts": None, "calls": {"mode": "count", "count": 3}}
    plain = subscription(identity, "message.received", url="https://a.example.com/")
    rich = subscription(identity, "message.received", url="https://b.example.com/", context_config=config)

    event = happen(identity)

    assert Dispatch.objects.get(subscription=plain).body is None
    body = orjson.loads(Dispatch.objects.get(subscription=rich).body or "")
    assert body["data"].pop("context") == {
        "calls": {
            "scope": "contact",
            "items": [],
            "truncated": False,
            "mode": "count",
            "requested": 3,
            "skipped": "no_resource",
        }
    }
    assert body == orjson.loads(event.body)


@pytest.mark.parametrize("size", [1, 64])
def test_a_batch_costs_five_queries(size: int, django_assert_num_queries: Any) -> None:
    agents = [bare_agent() for _ in range(min(size, 8))]
    for identity in agents:
        subscription(identity, "message.received")
    events = [new_event(agents[n % len(agents)], mailbox_id=some_id()) for n in range(size)]

    with transaction.atomic(), django_assert_num_queries(5):
        record_many(events)

    assert Dispatch.objects.count() == size


def test_a_batch_without_subscribers_costs_four_queries(django_assert_num_queries: Any) -> None:
    agents = [bare_agent() for _ in range(8)]

    with transaction.atomic(), django_assert_num_queries(4):
        record_many([new_event(agents[n % 8]) for n in range(64)])
    with django_assert_num_queries(0):
        assert record_many([]) == []


def test_services_that_are_combined_record_once_at_the_end(django_assert_num_queries: Any) -> None:
    first, second = bare_agent(), bare_agent()

    with transaction.atomic(), django_assert_num_queries(4), recording_together():
        assert record_many([new_event(first)]) == []
        with recording_together():
            record_many([new_event(second)])
        record_many([new_event(first)])

    assert list(Event.objects.order_by("position").values_list("stream_id", "seq")) == [
        (first.pk, 1),
        (second.pk, 1),
        (first.pk, 2),
    ]


def test_nothing_is_recorded_after_an_error() -> None:
    identity = bare_agent()

    with transaction.atomic(), pytest.raises(ValueError, match="no"), recording_together():  # noqa: PT012
        record_many([new_event(identity)])
        raise ValueError("no")
    with transaction.atomic():
        (row,) = record_many([new_event(identity)])

    assert row.seq == 1
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_threads_number_two_streams_without_gap_or_deadlock() -> None:
    first, second = bare_agent(), bare_agent()
    failures: list[BaseException] = []

    def work(order: list[Any]) -> None:
        try:
            for _ in range(20):
                with transaction.atomic():
                    record_many([new_event(identity) for identity in order])
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(order,)) for order in ([first, second], [second, first])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    for identity in (first, second):
        rows = Event.objects.filter(stream_id=identity.pk).order_by("seq")
        assert list(rows.values_list("seq", flat=True)) == list(range(1, 41))
        times = list(rows.values_list("created_at", flat=True))
        assert times == sorted(times)
