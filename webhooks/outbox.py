"""Record events in the transaction that causes them: the rows are the event log and the queue of deliveries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
from webhooks.catalog import ENRICHED_FAMILIES, EVENT_NAMES, family
from webhooks.context import context_blocks
from webhooks.enums import Selector
from webhooks.models import Dispatch, Event, EventStream, Subscription
from webhooks.models.event import new_event_id

DELIVER_TASK = "webhooks.deliver"
_EMPTY_LISTS: dict[str, Any] = {"contacts": [], "agent_identities": []}


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened. `data` is the event's payload: JSON types, UUIDs and aware datetimes.

    `mailbox_id` or `phone_number_id` is the channel it happened on, if any: subscriptions of older clients select by
    it, and it is the stream of an event without identity.
    """

    organization_id: str
    identity_id: UUID | None
    event_type: str
    data: dict[str, Any]
    mailbox_id: UUID | None = None
    phone_number_id: UUID | None = None

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
    """Number and store events, queue a delivery for every matching subscription, wake the dispatcher after commit.

    Four queries for a batch of any size (three when nobody subscribed). Raises RuntimeError outside a transaction:
    an event must not be able to survive the rollback of what it reports.
    """
    if not events:
        return []
    if not in_transaction():
        raise RuntimeError("webhook events are recorded inside the transaction that causes them")
    counts = Counter(event.stream_id for event in events)
    last = _advance_streams(counts)
    seqs = {stream: last[stream] - count for stream, count in counts.items()}
    # Taken after the counters were locked, so times of one stream rise with its numbers.
    moment = now()
    rows: list[Event] = []
    for event in events:
        if event.event_type not in EVENT_NAMES:
            raise ValueError(f"{event.event_type} is not in the catalog")
        event_id = new_event_id()
        seqs[event.stream_id] += 1
        rows.append(
            Event(
                id=event_id,
                organization_id=event.organization_id,
                identity_id=event.identity_id,
                stream_id=event.stream_id,
                seq=seqs[event.stream_id],
                event_type=event.event_type,
                body=_envelope(event_id, event, moment),
                created_at=moment,
            )
        )
    insert_rows(Event, rows)
    dispatches = list(_dispatches(events, rows, moment))
    if dispatches:
        Dispatch.objects.bulk_create(dispatches)
        nudge(DELIVER_TASK)
    return rows


def _advance_streams(counts: Mapping[UUID, int]) -> dict[UUID, int]:
    """Add to the counters and return their new values.

    One upsert in sorted order: two transactions over the same streams wait for each other instead of deadlocking, and
    an increment inside the statement cannot lose a concurrent one.
    """
    field = EventStream._meta.pk
    table = connection.ops.quote_name(EventStream._meta.db_table)
    rows = sorted(counts.items())
    params = list(chain.from_iterable((field.get_db_prep_value(key, connection), count) for key, count in rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (stream_id, last_seq) VALUES {', '.join(['(%s, %s)'] * len(rows))} "  # noqa: S608
            f"ON CONFLICT (stream_id) DO UPDATE SET last_seq = {table}.last_seq + excluded.last_seq "
            "RETURNING stream_id, last_seq",
            params,
        )
        return {field.to_python(key): last for key, last in cursor.fetchall()}


def _envelope(event_id: str, event: NewEvent, moment: datetime, **extra: Any) -> str:
    lists = _EMPTY_LISTS if family(event.event_type) in ENRICHED_FAMILIES else {}
    data = {**event.data, **{key: event.data.get(key, empty) for key, empty in lists.items()}, **extra}
    envelope = {"id": event_id, "event_type": event.event_type, "timestamp": moment, "data": data}
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z).decode()


def _dispatches(events: Sequence[NewEvent], rows: Sequence[Event], moment: datetime) -> Iterable[Dispatch]:
    wanted = _subscriptions(events)
    if not wanted:
        return
    for event, row in zip(events, rows, strict=True):
        for kind, owner_id in _owners(event):
            for subscription in wanted.get((kind, owner_id), ()):
                if (
                    event.event_type not in subscription.event_types
                    or subscription.organization_id != event.organization_id
                ):
                    continue
                context = context_blocks(event.event_type, subscription.context_config)
                yield Dispatch(
                    event=row,
                    subscription_id=subscription.pk,
                    next_attempt_at=moment,
                    body=_envelope(row.pk, event, moment, context=context) if context is not None else None,
                )


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
