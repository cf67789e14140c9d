"""Record events in the transaction that causes them: the rows are the event log and the queue of deliveries."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Q

from common.bulk import insert_rows
from common.clock import now
from common.db import in_transaction
from common.nudge import nudge
from common.prepared import Many, Prepared
from webhooks.catalog import ENRICHED_FAMILIES, RECORDED_NAMES, family
from webhooks.context import Trigger, context_blocks, has_context
from webhooks.enrichment import KnownContact
from webhooks.enums import Selector
from webhooks.models import Dispatch, Event, EventLog, EventStream, Subscription
from webhooks.models.event import new_event_id
from webhooks.wakeups import wake_readers

DELIVER_TASK = "webhooks.deliver"
_EMPTY_LISTS: dict[str, Any] = {"contacts": [], "agent_identities": []}
# What waits to be recorded together, in the innermost `recording_together` of this thread.
_collected: ContextVar[list[NewEvent] | None] = ContextVar("collected_events", default=None)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened. `data` is the event's payload: JSON types, UUIDs and aware datetimes.

    `mailbox_id` or `phone_number_id` is the channel it happened on, if any: subscriptions of older clients select by
    it, and it is the stream of an event without identity. `contact` is the sender, when that is a known contact:
    history with it goes into the context of subscriptions that want one.
    """

    organization_id: str
    identity_id: UUID | None
    event_type: str
    data: dict[str, Any]
    mailbox_id: UUID | None = None
    phone_number_id: UUID | None = None
    contact: KnownContact | None = None

    @property
    def stream_id(self) -> UUID:
        """What the event is numbered in."""
        found = self.identity_id or self.mailbox_id or self.phone_number_id
        if found is None:
            raise ValueError("an event needs an identity, a mailbox or a phone number")
        return found


def record(event: NewEvent) -> Event:
    """Record one event; see `record_many`."""
    return record_many([event])[0]


def record_many(events: Sequence[NewEvent]) -> list[Event]:
    """Number and store events, queue a delivery for every matching subscription, wake readers after commit.

    Five queries for a batch of any size (four when nobody subscribed), context apart. Raises RuntimeError outside a
    transaction: an event must not be able to survive the rollback of what it reports.

    Call it last in a transaction, and once: from here to the commit, nobody else records for these organizations, and
    two transactions that come back for more wait for each other for ever. Where services are combined, and each
    records, wrap them in `recording_together`; there nothing is recorded, nor returned, yet.
    """
    if not events:
        return []
    if not in_transaction():
        raise RuntimeError("webhook events are recorded inside the transaction that causes them")
    collected = _collected.get()
    if collected is not None:
        collected += events
        return []
    # Before the counters are locked: nobody waits for what can be done without them.
    wanted = _subscriptions(events)
    numbers = _take_numbers(events)
    # Taken after the counters were locked, so times of one stream rise with its numbers.
    moment = now()
    rows: list[Event] = []
    for event, number in zip(events, numbers, strict=True):
        if event.event_type not in RECORDED_NAMES:
            raise ValueError(f"{event.event_type} is not in the catalog")
        event_id = new_event_id()
        rows.append(
            Event(
                id=event_id,
                organization_id=number.organization_id,
                identity_id=event.identity_id,
                stream_id=event.stream_id,
                seq=number.seq,
                position=number.position,
                event_type=event.event_type,
                body=_envelope(event_id, event, moment),
                created_at=moment,
            )
        )
    insert_rows(Event, rows)
    dispatches = list(_dispatches(events, rows, wanted))
    if dispatches:
        Dispatch.objects.bulk_create(dispatches)
        nudge(DELIVER_TASK)
    wake_readers((row.organization_id, row.stream_id) for row in rows)
    return rows


@contextmanager
def recording_together() -> Iterator[None]:
    """Record what the services called inside report, in that order, in one batch at the end. Nothing after an error.

    For the end of a transaction that combines several services: each counter is then taken once, and in the order in
    which everybody takes them.
    """
    events: list[NewEvent] = []
    before = _collected.set(events)
    try:
        yield
    finally:
        _collected.reset(before)
    record_many(events)


@dataclass(frozen=True, slots=True)
class _Number:
    """Where an event stands: in its stream, and in the log of its organization."""

    organization_id: str
    seq: int
    position: int


def _take_numbers(events: Sequence[NewEvent]) -> list[_Number]:
    counts = Counter(event.stream_id for event in events)
    owners = {event.stream_id: event.organization_id for event in events}
    streams = _advance_streams(counts, owners)
    in_log: Counter[str] = Counter()
    for stream, count in counts.items():
        in_log[streams[stream][1]] += count
    positions = _advance_logs(in_log)
    seqs = {stream: last - counts[stream] for stream, (last, _) in streams.items()}
    places = {organization: last - in_log[organization] for organization, last in positions.items()}
    numbers = []
    for event in events:
        stream = event.stream_id
        organization = streams[stream][1]
        seqs[stream] += 1
        places[organization] += 1
        numbers.append(_Number(organization, seqs[stream], places[organization]))
    return numbers


def _advance_streams(counts: Mapping[UUID, int], owners: Mapping[UUID, str]) -> dict[UUID, tuple[int, str]]:
    """Add to the counters; returns their new values and the organizations that the streams belong to now.

    One upsert in sorted order: two transactions over the same streams wait for each other instead of deadlocking, and
    an increment inside the statement cannot lose a concurrent one.
    """
    field = EventStream._meta.pk
    table = connection.ops.quote_name(EventStream._meta.db_table)
    rows = sorted(counts.items())
    params: list[Any] = list(
        chain.from_iterable((field.get_db_prep_value(key, connection), owners[key], count) for key, count in rows)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (stream_id, organization_id, last_seq, purged_position) "  # noqa: S608
            f"VALUES {', '.join(['(%s, %s, %s, 0)'] * len(rows))} "
            f"ON CONFLICT (stream_id) DO UPDATE SET last_seq = {table}.last_seq + excluded.last_seq, "
            f"organization_id = COALESCE({table}.organization_id, excluded.organization_id) "
            "RETURNING stream_id, last_seq, organization_id",
            params,
        )
        return {field.to_python(key): (last, organization) for key, last, organization in cursor.fetchall()}


def _advance_logs(counts: Mapping[str, int]) -> dict[str, int]:
    """Move the logs of organizations on by so many events; returns their new last positions.

    A position is the time in microseconds, or one more than the last when that is larger (after a burst, or a clock
    that went back): it only rises, it fits into the integers of JavaScript, and it says when.
    """
    table = connection.ops.quote_name(EventLog._meta.db_table)
    moment = time.time_ns() // 1000
    params: list[Any] = list(
        chain.from_iterable((organization, moment + count, count) for organization, count in sorted(counts.items()))
    )
    following = f"{table}.last_position + excluded.last_batch"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (organization_id, last_position, last_batch, purged_position) "  # noqa: S608
            f"VALUES {', '.join(['(%s, %s, %s, 0)'] * len(counts))} "
            f"ON CONFLICT (organization_id) DO UPDATE SET last_batch = excluded.last_batch, last_position = "
            f"CASE WHEN {following} > excluded.last_position THEN {following} ELSE excluded.last_position END "
            "RETURNING organization_id, last_position",
            params,
        )
        return dict(cursor.fetchall())


def _envelope(event_id: str, event: NewEvent, moment: datetime, **extra: Any) -> str:
    lists = _EMPTY_LISTS if family(event.event_type) in ENRICHED_FAMILIES else {}
    data = {**event.data, **{key: event.data.get(key, empty) for key, empty in lists.items()}, **extra}
    envelope = {"id": event_id, "event_type": event.event_type, "timestamp": moment, "data": data}
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z).decode()


def _dispatches(
    events: Sequence[NewEvent], rows: Sequence[Event], wanted: Mapping[tuple[Selector, UUID], list[Subscription]]
) -> Iterable[Dispatch]:
    if not wanted:
        return
    for event, row in zip(events, rows, strict=True):
        for kind, owner_id in _owners(event):
            for subscription in wanted.get((kind, owner_id), ()):
                if (
                    event.event_type not in subscription.event_types
                    or subscription.organization_id != row.organization_id
                ):
                    continue
                context = _context(event, row, subscription)
                yield Dispatch(
                    event=row,
                    subscription_id=subscription.pk,
                    next_attempt_at=row.created_at,
                    body=_envelope(row.pk, event, row.created_at, context=context) if context is not None else None,
                )


def _context(event: NewEvent, row: Event, subscription: Subscription) -> dict[str, Any] | None:
    config = subscription.context_config
    if not has_context(event.event_type, config):
        return None
    trigger = Trigger(
        event.event_type, row.organization_id, event.identity_id, event.data, event.contact, row.created_at
    )
    return context_blocks(trigger, config)


def _owners(event: NewEvent) -> list[tuple[Selector, UUID]]:
    """What a subscription may have been created with to get this event."""
    pairs = (
        (Selector.IDENTITY, event.identity_id),
        (Selector.MAILBOX, event.mailbox_id),
        (Selector.PHONE_NUMBER, event.phone_number_id),
    )
    return [(kind, owner_id) for kind, owner_id in pairs if owner_id is not None]


_NOBODY = (UUID(int=0),)
_ACTIVE_SUBSCRIPTIONS = Prepared(
    lambda identities, mailboxes, numbers: (
        Subscription.objects.active()
        .filter(
            Q(identity_id__in=identities, mailbox_id__isnull=True, phone_number_id__isnull=True)
            | Q(mailbox_id__in=mailboxes)
            | Q(phone_number_id__in=numbers)
        )
        .defer("sealed_auth_token", "url")
        .order_by("created_at", "pk")
    ),
    Many(UUID),
    Many(UUID),
    Many(UUID),
)


def _subscriptions(events: Sequence[NewEvent]) -> dict[tuple[Selector, UUID], list[Subscription]]:
    """The active subscriptions of every owner in the batch, oldest first."""
    ids: defaultdict[Selector, set[UUID]] = defaultdict(set)
    for event in events:
        for kind, owner_id in _owners(event):
            ids[kind].add(owner_id)
    found: defaultdict[tuple[Selector, UUID], list[Subscription]] = defaultdict(list)
    # A place without an owner holds an id that no row has.
    wanted = (ids[kind] or _NOBODY for kind in (Selector.IDENTITY, Selector.MAILBOX, Selector.PHONE_NUMBER))
    for row in _ACTIVE_SUBSCRIPTIONS.objects(*wanted):
        found[row.selector, row.selector_id].append(row)
    return found
