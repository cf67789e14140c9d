"""Conversation context blocks of a delivery (contract webhooks.md section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLASSES = ("email", "texts", "calls")
# The events that carry context, and the class whose history is that of the event's own thread or conversation.
TRIGGERS = {"message.received": "email", "text.received": "texts", "imessage.received": "texts"}
_OWN_SCOPE = {"email": "thread", "texts": "conversation"}


def context_blocks(event_type: str, config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """One block for each configured class; None when the event carries no context.

    Reading history is not built: every block says so with `skipped`, and the delivery goes out all the same.
    """
    own = TRIGGERS.get(event_type)
    if own is None or not config:
        return None
    blocks: dict[str, Any] = {}
    for name in CLASSES:
        chosen = config.get(name)
        if chosen is None:
            continue
        block: dict[str, Any] = {
            "scope": _OWN_SCOPE[name] if name == own else "contact",
            "items": [],
            "truncated": False,
            "mode": chosen["mode"],
        }
        if chosen["mode"] == "count":
            block["requested"] = chosen["count"]
        else:
            block["hours"] = chosen["hours"]
        blocks[name] = {**block, "skipped": "unavailable"}
    return blocks or None
