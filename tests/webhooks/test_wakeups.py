"""Wake-ups: who hears of a commit, and what a Redis that is away costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from tests.factories.webhooks import bare_agent, happen, new_event
from webhooks import wakeups
from webhooks.outbox import record_many
from webhooks.reading import EventScope
from webhooks.wakeups import News

pytestmark = pytest.mark.django_db(transaction=True)

_NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def heard(settings: Any) -> Iterator[list[News]]:
    """What a listener of this process hears, without Redis."""
    settings.REDIS_URL = ""
    news: list[News] = []
    wakeups.listen(news.append)
    yield news
    wakeups.unlisten(news.append)


def test_a_commit_tells_once_whose_events_there_are(heard: list[News]) -> None:
    first, second = bare_agent(), bare_agent()

    with transaction.atomic():
        record_many([new_event(first), new_event(second), new_event(first)])
        assert heard == []

    assert heard == [{first.organization_id: frozenset({first.pk}), second.organization_id: frozenset({second.pk})}]


def test_a_rollback_tells_nobody(heard: list[News]) -> None:
    identity = bare_agent()

    with transaction.atomic():
        record_many([new_event(identity)])
        transaction.set_rollback(True)

    assert heard == []


def test_news_travel_through_redis_unchanged() -> None:
    news = {"org_1": frozenset({UUID(int=1), UUID(int=2)}), "org_2": frozenset({UUID(int=3)})}

    assert wakeups.decode(wakeups.encode(news)) == news


def test_a_redis_that_is_away_costs_little_and_this_process_is_told_anyway(
    heard: list[News], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "_paused_until", 0.0)
    settings.REDIS_URL = _NOWHERE
    identity = bare_agent()
    started = time.monotonic()

    for _ in range(3):
        happen(identity)

    assert time.monotonic() - started < 2.0
    assert len(heard) == 3


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        (EventScope("org_1"), True),
        (EventScope("org_1", UUID(int=1)), True),
        (EventScope("org_1", UUID(int=2)), False),
        (EventScope("org_2"), False),
        (EventScope("org_2", UUID(int=1)), False),
    ],
)
def test_readers_are_woken_for_their_own(scope: EventScope, concerned: bool) -> None:
    assert scope.concerns({"org_1": frozenset({UUID(int=1)})}) is concerned


def test_what_is_no_event_wakes_who_reads_the_whole_organization_after_the_commit(heard: list[News]) -> None:
    with transaction.atomic():
        wakeups.wake_organization("org_1")
        assert heard == []
    (news,) = heard

    assert wakeups.decode(wakeups.encode(news)) == news
    assert EventScope("org_1").concerns(news)
    assert not EventScope("org_1", UUID(int=1)).concerns(news)
    assert not EventScope("org_2").concerns(news)
