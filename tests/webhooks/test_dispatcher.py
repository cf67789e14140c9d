"""The engine with its threads."""

from __future__ import annotations

import time
from typing import Any

import pytest

from identities.models import AgentIdentity
from tests.factories.webhooks import Receiver, bare_agent, happen, happen_often, subscription
from webhooks import dispatcher, limits, tasks
from webhooks.models import DeliveryAttempt, Dispatch, Subscription
from webhooks.services import dispatches
from webhooks.services.subscriptions import delete_subscription

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("running_dispatcher")]


def _wait_until(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def _states() -> dict[str, int]:
    states = list(Dispatch.objects.values_list("state", flat=True))
    return {state: states.count(state) for state in states}


def _prove(hook: Receiver, identity: AgentIdentity) -> None:
    """One answered delivery: until then a receiver gets one request at a time. It is not counted by the tests."""
    happen(identity)
    dispatcher.wake()
    _wait_until(lambda: DeliveryAttempt.objects.exists() and not Dispatch.objects.filter(state="pending").exists())
    DeliveryAttempt.objects.all().delete()
    Dispatch.objects.all().delete()
    hook.requests.clear()


def test_waking_it_sends_what_is_due_at_once(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    dispatcher.wake()
    happen(identity)

    started = time.monotonic()
    tasks.deliver()
    hook.wait_for(1)

    assert time.monotonic() - started < 1.0
    _wait_until(lambda: _states() == {"succeeded": 1})
    assert DeliveryAttempt.objects.get().response_status == 200


def test_the_first_wake_starts_it_and_finds_what_waits(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    happen_often(identity, 30)

    tasks.sweep_dispatches()

    requests = hook.wait_for(30)
    assert sorted(request.json["data"]["n"] for request in requests) == list(range(30))
    _wait_until(lambda: _states() == {"succeeded": 30})
    assert DeliveryAttempt.objects.count() == 30


def test_the_sweep_starts_nothing_when_nothing_is_due() -> None:
    tasks.sweep_dispatches()

    assert dispatcher._running == {}


def test_a_hanging_receiver_does_not_delay_another(hook: Receiver, second_hook: Receiver) -> None:
    slow, quick = bare_agent(), bare_agent()
    subscription(slow, url=hook.url)
    subscription(quick, url=second_hook.url)
    _prove(hook, slow)
    hook.gate.clear()
    happen_often(slow, 30)
    dispatcher.wake()
    hook.wait_for(4)

    started = time.monotonic()
    happen_often(quick, 5)
    dispatcher.wake()
    second_hook.wait_for(5)

    assert time.monotonic() - started < 2.0
    assert len(hook.requests) == limits.MAX_IN_FLIGHT_PER_SUBSCRIPTION == 4


def test_a_receiver_that_never_answered_gets_one_request_at_a_time(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.gate.clear()
    happen_often(identity, 10)

    dispatcher.wake()
    hook.wait_for(1)
    time.sleep(0.2)

    assert len(hook.requests) == 1


def test_many_hanging_receivers_take_no_place_from_a_quick_one(
    hook: Receiver, second_hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_IN_FLIGHT", 4)
    monkeypatch.setattr(limits, "MAX_SLOW", 8)
    quick = bare_agent()
    subscription(quick, url=second_hook.url)
    _prove(second_hook, quick)
    hook.gate.clear()
    for number in range(20):
        hanging = bare_agent()
        subscription(hanging, url=f"{hook.url}/{number}")
        happen(hanging)
    dispatcher.wake()
    hook.wait_for(8)

    for _ in range(3):
        started = time.monotonic()
        happen_often(quick, 5)
        dispatcher.wake()
        second_hook.wait_for(5)
        assert time.monotonic() - started < 2.0
        second_hook.requests.clear()
    assert len(hook.requests) <= 4 + 8


def test_deleting_a_subscription_stops_what_is_queued(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    _prove(hook, identity)
    hook.gate.clear()
    happen_often(identity, 12)
    dispatcher.wake()
    hook.wait_for(4)

    delete_subscription(row, identity_scope=False)
    hook.gate.set()
    _wait_until(lambda: DeliveryAttempt.objects.count() == 4)
    time.sleep(0.1)

    assert len(hook.requests) == 4
    assert _states() == {"cancelled": 12}


def test_stopping_records_what_runs_and_returns_what_waits(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    _prove(hook, identity)
    hook.gate.clear()
    happen_often(identity, 6)
    dispatcher.wake()
    hook.wait_for(4)

    hook.gate.set()
    dispatcher.stop(5)

    states = _states()
    assert states.get("succeeded", 0) >= 4
    assert not Dispatch.objects.filter(leased_until__isnull=False).exists()
    assert len(hook.requests) == DeliveryAttempt.objects.count() == states["succeeded"]


def test_stopping_in_a_hurry_gives_interrupted_rows_back(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.gate.clear()
    happen(identity)
    dispatcher.wake()
    hook.wait_for(1)

    dispatcher.stop(0.1)

    row = Dispatch.objects.get()
    assert (row.state, row.attempts, row.leased_until) == ("pending", 0, None)


def test_it_starts_again_after_a_stop(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    dispatcher.wake()
    dispatcher.stop(5)
    happen(identity)

    dispatcher.wake()

    assert len(hook.wait_for(1)) == 1


def test_a_failed_query_is_tried_again_and_loses_no_outcome(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "_ERROR_SLEEP_SECONDS", 0.05)
    real = dispatches.record_outcomes
    failures = iter([RuntimeError("the database is away"), RuntimeError("still away")])

    def flaky(outcomes: Any) -> None:
        if outcomes and (failure := next(failures, None)) is not None:
            raise failure
        real(outcomes)

    monkeypatch.setattr(dispatches, "record_outcomes", flaky)
    identity = bare_agent()
    subscription(identity, url=hook.url)
    happen(identity)

    dispatcher.wake()

    _wait_until(lambda: _states() == {"succeeded": 1})
    assert len(hook.requests) == DeliveryAttempt.objects.count() == 1


def test_an_organization_deleted_during_a_request_takes_no_other_outcome_with_it(
    hook: Receiver, second_hook: Receiver
) -> None:
    gone, kept = bare_agent(), bare_agent()
    subscription(gone, url=hook.url)
    subscription(kept, url=second_hook.url)
    hook.gate.clear()
    second_hook.gate.clear()
    happen(gone)
    happen(kept)
    dispatcher.wake()
    hook.wait_for(1)
    second_hook.wait_for(1)

    gone.organization.delete()
    hook.gate.set()
    second_hook.gate.set()

    _wait_until(lambda: _states() == {"succeeded": 1})
    assert DeliveryAttempt.objects.get().identity_id == kept.pk
    assert Subscription.objects.count() == 1
