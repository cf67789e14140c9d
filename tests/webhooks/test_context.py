"""Context blocks: what is asked for, what is left out and why, and how large they get."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.context import HistoryRequest, Trigger, context_blocks, shorten
from webhooks.enrichment import KnownContact

AT = datetime(2026, 1, 2, tzinfo=UTC)
CONTACT = KnownContact(UUID(int=7), "Ada", addresses=("ada@example.com",))
COUNT = {"mode": "count", "count": 5}
WINDOW = {"mode": "window", "hours": 24}

asked: list[HistoryRequest] = []
answer: Sequence[dict[str, Any]] | Exception | None = []


def fake_history(request: HistoryRequest) -> Sequence[dict[str, Any]] | None:
    """A provider that notes what it was asked."""
    asked.append(request)
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.fixture(autouse=True)
def providers(settings: Any) -> None:
    asked.clear()
    answers([])
    settings.WEBHOOK_HISTORY_PROVIDERS = dict.fromkeys(("email", "texts"), f"{__name__}.fake_history")


def answers(value: Sequence[dict[str, Any]] | Exception | None) -> None:
    global answer  # noqa: PLW0603
    answer = value


def trigger(event_type: str = "message.received", contact: KnownContact | None = None) -> Trigger:
    return Trigger(event_type, "org_1", UUID(int=1), {}, contact, AT)


pytestmark = pytest.mark.django_db


def test_the_triggering_class_is_history_of_the_thread() -> None:
    answers([{"id": 1}, {"id": 2}])

    blocks = context_blocks(trigger(contact=CONTACT), {"email": COUNT, "texts": None, "calls": None})

    assert blocks == {
        "email": {
            "scope": "thread",
            "items": [{"id": 1}, {"id": 2}],
            "truncated": False,
            "mode": "count",
            "requested": 5,
        }
    }
    assert asked == [HistoryRequest(trigger(contact=CONTACT), None, 5, None)]


@pytest.mark.parametrize("event_type", ["text.received", "imessage.received"])
def test_other_classes_are_history_with_the_contact(event_type: str) -> None:
    blocks = context_blocks(trigger(event_type, CONTACT), {"email": WINDOW, "texts": COUNT})

    assert blocks is not None
    assert {name: block["scope"] for name, block in blocks.items()} == {"email": "contact", "texts": "conversation"}
    assert blocks["email"]["hours"] == 24
    assert "requested" not in blocks["email"]
    assert [(request.contact, request.since) for request in asked] == [
        (CONTACT, AT - timedelta(hours=24)),
        (None, None),
    ]


def test_an_unknown_sender_has_no_history_in_other_classes() -> None:
    blocks = context_blocks(trigger(), {"texts": COUNT})

    assert blocks is not None
    assert (blocks["texts"]["skipped"], blocks["texts"]["items"]) == ("no_contact", [])
    assert asked == []


def test_a_class_that_the_server_has_not_is_named_so() -> None:
    blocks = context_blocks(trigger(contact=CONTACT), {"calls": WINDOW})

    assert blocks == {
        "calls": {
            "scope": "contact",
            "items": [],
            "truncated": False,
            "mode": "window",
            "hours": 24,
            "skipped": "no_resource",
        }
    }


def test_an_identity_without_the_channel_is_named_so() -> None:
    answers(None)

    blocks = context_blocks(trigger(contact=CONTACT), {"texts": COUNT})

    assert blocks is not None
    assert blocks["texts"]["skipped"] == "no_resource"


def test_a_failing_provider_does_not_stop_the_event() -> None:
    answers(RuntimeError("the history is away"))

    blocks = context_blocks(trigger(), {"email": COUNT})

    assert blocks is not None
    assert (blocks["email"]["skipped"], blocks["email"]["items"]) == ("unavailable", [])


def test_a_window_keeps_the_newest_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.limits.CONTEXT_WINDOW_MAX_ITEMS", 3)
    answers([{"n": n} for n in range(4)])

    blocks = context_blocks(trigger(), {"email": WINDOW})

    assert asked[0].limit == 4
    assert blocks is not None
    assert (blocks["email"]["items"], blocks["email"]["truncated"]) == ([{"n": 1}, {"n": 2}, {"n": 3}], True)


@pytest.mark.parametrize("event_type", ["message.sent", "text.delivered", "call.ended", "a2a.task.created"])
def test_other_events_carry_no_context(event_type: str) -> None:
    assert context_blocks(trigger(event_type), {"email": COUNT}) is None


@pytest.mark.parametrize("config", [None, {}, {"email": None, "texts": None, "calls": None}])
def test_nothing_configured_gives_no_context(config: dict[str, None] | None) -> None:
    assert context_blocks(trigger(), config) is None


@given(
    st.dictionaries(st.sampled_from(["email", "texts", "calls"]), st.lists(st.text(max_size=80), max_size=12)),
    st.integers(200, 2000),
)
def test_it_fits_and_keeps_the_newest(texts: dict[str, list[str]], limit: int) -> None:
    blocks: dict[str, Any] = {
        name: {"items": [{"t": text} for text in rows], "truncated": False, "scope": "x"}
        for name, rows in texts.items()
    }

    shorten(blocks, limit)

    assert len(orjson.dumps(blocks)) <= limit
    for name, rows in texts.items():
        kept = [item["t"] for item in blocks[name]["items"]]
        assert kept == rows[len(rows) - len(kept) :]
        assert blocks[name]["truncated"] == (len(kept) < len(rows))
