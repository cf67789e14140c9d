"""Conversation context blocks of a delivery (contract webhooks.md section 9).

Which history a class has is known to the apps above. `settings.WEBHOOK_HISTORY_PROVIDERS` maps a class to the dotted
path of a function with the shape of `HistoryProvider`; a class without one is a channel that this server has not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol, cast
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from webhooks import limits
from webhooks.enrichment import KnownContact

log = structlog.get_logger(__name__)

CLASSES = ("email", "texts", "calls")
# The events that carry context, and the class whose history is that of the event's own thread or conversation.
TRIGGERS = {"message.received": "email", "text.received": "texts", "imessage.received": "texts"}
_OWN_SCOPE = {"email": "thread", "texts": "conversation"}


@dataclass(frozen=True, slots=True)
class Trigger:
    """The event that a context belongs to. `contact` is its sender, when that is a known contact."""

    event_type: str
    organization_id: str
    identity_id: UUID | None
    data: Mapping[str, Any]
    contact: KnownContact | None
    at: datetime


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What a provider is asked for: at most `limit` items, the newest ones, not older than `since`.

    `contact` is set when history with that contact is wanted, otherwise that of the trigger's thread or conversation.
    """

    trigger: Trigger
    contact: KnownContact | None
    limit: int
    since: datetime | None


class HistoryProvider(Protocol):
    """Reads the history of one class with a fixed number of bounded queries."""

    def __call__(self, request: HistoryRequest, /) -> Sequence[dict[str, Any]] | None:
        """JSON-ready items, oldest first, without the trigger. None when the identity lacks the channel."""
        ...


@lru_cache(maxsize=16)
def _provider(path: str) -> HistoryProvider:
    return cast("HistoryProvider", import_string(path))


def has_context(event_type: str, config: Mapping[str, Any] | None) -> bool:
    """Whether a delivery of this event carries `context` for a subscription with this configuration."""
    return event_type in TRIGGERS and bool(config) and any(value is not None for value in (config or {}).values())


def context_blocks(trigger: Trigger, config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """One block for each configured class; None when the event carries no context. Never raises."""
    if config is None or not has_context(trigger.event_type, config):
        return None
    blocks = {name: _block(name, trigger, config[name]) for name in CLASSES if config.get(name) is not None}
    shorten(blocks, limits.CONTEXT_MAX_BYTES)
    return blocks


def _block(name: str, trigger: Trigger, chosen: Mapping[str, Any]) -> dict[str, Any]:
    is_own = TRIGGERS[trigger.event_type] == name
    block: dict[str, Any] = {
        "scope": _OWN_SCOPE[name] if is_own else "contact",
        "items": [],
        "truncated": False,
        "mode": chosen["mode"],
    }
    if chosen["mode"] == "count":
        block["requested"] = limit = chosen["count"]
        since = None
    else:
        block["hours"] = chosen["hours"]
        # One more than is kept shows whether something was left out.
        limit, since = limits.CONTEXT_WINDOW_MAX_ITEMS + 1, trigger.at - timedelta(hours=chosen["hours"])
    path = settings.WEBHOOK_HISTORY_PROVIDERS.get(name)
    if path is None:
        return {**block, "skipped": "no_resource"}
    if not is_own and trigger.contact is None:
        return {**block, "skipped": "no_contact"}
    try:
        # A savepoint: on PostgreSQL a failed query would otherwise end the transaction that the event is part of.
        with transaction.atomic():
            items = _provider(path)(HistoryRequest(trigger, None if is_own else trigger.contact, limit, since))
    except Exception:
        log.exception("webhooks.context_unavailable", history=name)
        return {**block, "skipped": "unavailable"}
    if items is None:
        return {**block, "skipped": "no_resource"}
    block["items"] = list(items)
    if since is not None and len(items) == limit:
        block["items"], block["truncated"] = list(items)[1:], True
    return block


def shorten(blocks: dict[str, Any], max_bytes: int) -> None:
    """Drop the oldest items of the largest class until all of it fits into `max_bytes` of JSON."""
    sizes = {name: [len(orjson.dumps(item)) + 1 for item in block["items"]] for name, block in blocks.items()}
    frame = len(orjson.dumps({name: {**block, "items": []} for name, block in blocks.items()}))
    totals = {name: sum(rows) for name, rows in sizes.items()}
    dropped = dict.fromkeys(blocks, 0)
    while frame + sum(totals.values()) > max_bytes and any(totals.values()):
        name = max(totals, key=lambda each: totals[each])
        totals[name] -= sizes[name][dropped[name]]
        dropped[name] += 1
    for name, count in dropped.items():
        if count:
            blocks[name]["items"] = blocks[name]["items"][count:]
            blocks[name]["truncated"] = True
