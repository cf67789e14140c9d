"""Context blocks say that history is not available, in the contract's shape."""

from __future__ import annotations

import pytest

from webhooks.context import context_blocks

CONFIG = {"email": {"mode": "count", "count": 5}, "texts": None, "calls": {"mode": "window", "hours": 24}}


def test_each_configured_class_has_a_block() -> None:
    assert context_blocks("message.received", CONFIG) == {
        "email": {
            "scope": "thread",
            "items": [],
            "truncated": False,
            "mode": "count",
            "requested": 5,
            "skipped": "unavailable",
        },
        "calls": {
            "scope": "contact",
            "items": [],
            "truncated": False,
            "mode": "window",
            "hours": 24,
            "skipped": "unavailable",
        },
    }


@pytest.mark.parametrize("event_type", ["text.received", "imessage.received"])
def test_texts_are_a_conversation_when_a_text_triggers(event_type: str) -> None:
    blocks = context_blocks(event_type, {"email": CONFIG["email"], "texts": {"mode": "count", "count": 1}})

    assert blocks is not None
    assert {name: block["scope"] for name, block in blocks.items()} == {"email": "contact", "texts": "conversation"}


@pytest.mark.parametrize("event_type", ["message.sent", "text.delivered", "call.ended", "a2a.task.created"])
def test_other_events_carry_no_context(event_type: str) -> None:
    assert context_blocks(event_type, CONFIG) is None


@pytest.mark.parametrize("config", [None, {}, {"email": None, "texts": None, "calls": None}])
def test_nothing_configured_gives_no_context(config: dict[str, None] | None) -> None:
    assert context_blocks("message.received", config) is None
