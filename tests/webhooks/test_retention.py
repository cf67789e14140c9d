"""What the logs forget, and what they keep because something still needs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.factories.webhooks import bare_agent, happen, subscription
from webhooks import tasks
from webhooks.models import DeliveryAttempt, Dispatch, Event, EventStream
from webhooks.services.dispatches import claim_due, record_outcomes
from webhooks.services.jobs import Outcome

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _settle(status: int) -> None:
    record_outcomes([Outcome(job, datetime.now(UTC), 5, status=status) for job in claim_due(10, {}).jobs])


def test_events_and_attempts_are_kept_for_thirty_days() -> None:
    identity = bare_agent()
    subscription(identity)
    with time_machine.travel(START) as clock:
        happen(identity)
        _settle(200)
        clock.shift(timedelta(days=29))
        happen(identity)
        _settle(200)
        tasks.purge_old()
        assert (Event.objects.count(), DeliveryAttempt.objects.count()) == (2, 2)

        clock.shift(timedelta(days=2))
        tasks.purge_old()

    assert (Event.objects.count(), DeliveryAttempt.objects.count(), Dispatch.objects.count()) == (1, 1, 1)
    assert Event.objects.get().seq == 2
    assert EventStream.objects.get().last_seq == 2


def test_an_event_that_is_still_to_be_sent_or_was_sent_lately_is_kept() -> None:
    identity, other = bare_agent(), bare_agent()
    subscription(identity)
    row = subscription(other)
    with time_machine.travel(START) as clock:
        pending = happen(identity)
        replayed = happen(other)
        Dispatch.objects.filter(event=replayed).update(state="succeeded", next_attempt_at=None)
        clock.shift(timedelta(days=31))
        Dispatch.objects.filter(event=pending).update(next_attempt_at=datetime.now(UTC))
        DeliveryAttempt.objects.create(
            organization_id=row.organization_id,
            subscription=row,
            event=replayed,
            event_type=replayed.event_type,
            url=row.url,
            request_id="r",
            is_replay=True,
        )

        tasks.purge_old()

    assert set(Event.objects.values_list("pk", flat=True)) == {pending.pk, replayed.pk}


def test_what_was_held_for_a_week_is_given_up() -> None:
    identity = bare_agent()
    subscription(identity)
    with time_machine.travel(START) as clock:
        happen(identity)
        clock.shift(timedelta(days=6))
        happen(identity)
        clock.shift(timedelta(days=2))

        tasks.purge_old()

    assert list(Dispatch.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "pending"]


def test_deleted_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.limits.PURGE_BATCH", 2)
    identity = bare_agent()
    with time_machine.travel(START) as clock:
        for _ in range(5):
            happen(identity)
        clock.shift(timedelta(days=31))
        tasks.purge_old()

    assert not Event.objects.exists()
