"""The event log as its readers see it: one order for long-poll, stream, socket and list (docs/api/events.md).

The number of an event is its position in the log of its organization. Positions become visible in rising order
(webhooks/models/event.py), so "everything after N" misses nothing, for the whole organization and for one identity.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from common.errors import Gone, Invalid
from common.prepared import Many, Prepared
from common.principal import Principal
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity
from webhooks import limits
from webhooks.models import Event, EventLog, EventStream
from webhooks.wakeups import News


class EventsExpired(Gone):
    """The reader is further behind than the log reaches back: it must know that it has missed something."""

    code = "events_expired"

    def __init__(self, after: int, resume_after: int) -> None:
        super().__init__(
            f"Events after {after} were deleted because they are older than the log reaches back. "
            f"Continue with after={resume_after}, which begins with the oldest event that is kept.",
            after=after,
            resume_after=resume_after,
        )
        self.after = after
        self.resume_after = resume_after


@dataclass(frozen=True, slots=True)
class EventScope:
    """What a reader reads: a whole organization or one identity of it, all events or some types."""

    organization_id: str
    identity_id: UUID | None = None
    types: tuple[str, ...] = ()

    def concerns(self, news: News) -> bool:
        """Whether there may be something new for this reader."""
        streams = news.get(self.organization_id)
        return streams is not None and (self.identity_id is None or self.identity_id in streams)


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One event: `body` is its JSON object, the envelope of webhooks with `seq` and `agent_identity_id` before it."""

    position: int
    event_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order, and the number to go on after: past events that the reader's filter left out, too."""

    events: list[ReadEvent]
    next_after: int
    has_more: bool


def event_scope(principal: Principal, identity_id: UUID | None, types: Iterable[str]) -> EventScope:
    """What this caller may read of what it asked for. Raises IdentityNotFound."""
    assert principal.organization_id is not None
    if principal.is_agent and identity_id is None:
        identity_id = principal.identity_id
    if identity_id is not None and not AgentIdentity.objects.visible_to(principal).filter(pk=identity_id).exists():
        raise IdentityNotFound
    return EventScope(principal.organization_id, identity_id, tuple(sorted(set(types))))


_LOG = Prepared(
    lambda organization: EventLog.objects.filter(pk=organization).values_list("last_position", "purged_position"), str
)
_STREAM = Prepared(lambda stream: EventStream.objects.filter(pk=stream).values_list("purged_position"), UUID)


@lru_cache(maxsize=512)
def _events(of_identity: bool, has_types: bool, limit: int) -> Prepared[Event]:
    def build(organization: str, after: int, *filters: Any) -> Any:
        # Also for one identity: it may be moving to another organization just now.
        rows = Event.objects.filter(organization_id=organization, position__gt=after)
        if of_identity:
            rows = rows.filter(stream_id=filters[0])
        if has_types:
            rows = rows.filter(event_type__in=filters[-1])
        return rows.order_by("position", "pk").values_list("position", "identity_id", "event_type", "body")[:limit]

    return Prepared(build, str, int, *([UUID] if of_identity else []), *([Many(str)] if has_types else []))


def latest_position(scope: EventScope) -> int:
    """Where a reader stands that wants only what is new from now on."""
    found = _LOG.tuples(scope.organization_id)
    return found[0][0] if found else 0


def read_events(scope: EventScope, after: int, limit: int) -> EventPage:
    """Up to `limit` events after position `after`, oldest first; 0 is the beginning of the log. Three queries.

    Raises EventsExpired when events after `after` have been deleted, Invalid for a number that was never handed out.
    """
    # Before the events: what is in the log at this moment, the next query sees.
    found = _LOG.tuples(scope.organization_id)
    last, purged = found[0] if found else (0, 0)
    if after > last and after > (time.time() + limits.EVENTS_MAX_AHEAD_SECONDS) * 1_000_000:
        raise Invalid("No event has this number. Use one that this server handed out.", loc=("query", "after"))
    if scope.identity_id is not None:
        streams = _STREAM.tuples(scope.identity_id)
        purged = streams[0][0] if streams else 0
    if 0 < after < purged:
        raise EventsExpired(after, purged)
    query = _events(scope.identity_id is not None, bool(scope.types), limit + 1)
    filters = [value for value in (scope.identity_id, scope.types) if value]
    rows = query.tuples(scope.organization_id, after, *filters)
    events = [_event(*row) for row in rows[:limit]]
    if len(rows) > limit:
        return EventPage(events, events[-1].position, has_more=True)
    newest = events[-1].position if events else 0
    return EventPage(events, max(after, last, newest), has_more=False)


def _event(position: int, identity_id: UUID | None, event_type: str, body: str) -> ReadEvent:
    owner = f'"{identity_id}"' if identity_id is not None else "null"
    return ReadEvent(position, event_type, f'{{"seq":{position},"agent_identity_id":{owner},{body[1:]}'.encode())


def log_positions(organization_ids: Iterable[str]) -> dict[str, int]:
    """The last position of each log. One query, for readers that wait."""
    rows = EventLog.objects.filter(pk__in=list(organization_ids))
    return dict(rows.values_list("organization_id", "last_position"))
