"""Send again, and send a test: at once, or by the queue for a whole range of events (contract webhooks.md 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import QuerySet

from common.clock import now
from common.db import refuse_in_transaction
from common.errors import NotReady
from common.ids import uuid7
from common.nudge import nudge
from identities.services.signing_keys import signing_secrets
from webhooks import limits
from webhooks.catalog import TEST_EVENT
from webhooks.dispatcher import send_all
from webhooks.enums import DispatchState, SubscriptionStatus
from webhooks.errors import NotReplayable, ReplayUnavailable
from webhooks.models import DeliveryAttempt, Dispatch, Event, Subscription
from webhooks.models.delivery import new_request_id
from webhooks.outbox import DELIVER_TASK
from webhooks.services.dispatches import record_outcome
from webhooks.services.jobs import Job
from webhooks.signing import Keys


def replay_delivery(row: DeliveryAttempt) -> DeliveryAttempt:
    """Post the logged body to the subscription's current URL now, and return the new row.

    The event id stays, so a receiver that has processed the event drops it. Request id, time, signature and bearer
    token are fresh. Takes up to the timeout of one attempt. Raises NotReplayable 422, ReplayUnavailable 409.
    """
    refuse_in_transaction("a webhook replay")
    reason = row.replay_unavailable_reason
    if reason == "event_type_not_replayable":
        raise NotReplayable
    if reason is not None:
        raise ReplayUnavailable(reason)
    subscription = row.subscription
    assert subscription is not None
    job = Job(
        dispatch_id=None,
        organization_id=row.organization_id,
        identity_id=row.identity_id,
        subscription_id=subscription.pk,
        event_id=row.event_id,
        event_type=row.event_type,
        url=subscription.url,
        body=row.request_payload,
        is_own_body=row.body is not None,
        request_id=new_request_id(),
        tries=1,
        keys=_keys(row.organization_id, row.identity_id),
        auth_token=subscription.auth_token,
        standard_webhooks=subscription.standard_webhooks,
        is_replay=True,
    )
    attempt = _send_now(job)
    attempt.event, attempt.subscription = row.event, subscription
    return attempt


def send_test(subscription: Subscription) -> DeliveryAttempt:
    """Post a signed `webhook.test` to the endpoint now, and return the attempt.

    It says nothing happened, and a receiver may drop it. A success closes an open circuit. Takes up to the timeout of
    one attempt.
    """
    refuse_in_transaction("a webhook test")
    attempt_id = uuid7()
    body = {
        "id": f"evt_{attempt_id}",
        "event_type": TEST_EVENT,
        "timestamp": now(),
        "data": {
            "subscription_id": subscription.pk,
            "message": "This is a test of your webhook endpoint. Nothing has happened.",
        },
    }
    job = Job(
        dispatch_id=None,
        organization_id=subscription.organization_id,
        identity_id=subscription.identity_id,
        subscription_id=subscription.pk,
        event_id=None,
        event_type=TEST_EVENT,
        url=subscription.url,
        body=orjson.dumps(body, option=orjson.OPT_UTC_Z).decode(),
        is_own_body=True,
        request_id=new_request_id(),
        tries=1,
        keys=_keys(subscription.organization_id, subscription.identity_id),
        auth_token=subscription.auth_token,
        standard_webhooks=subscription.standard_webhooks,
        attempt_id=attempt_id,
    )
    attempt = _send_now(job)
    attempt.subscription = subscription
    return attempt


def _send_now(job: Job) -> DeliveryAttempt:
    return record_outcome(asyncio.run(send_all([job]))[0])


def _keys(organization_id: str, identity_id: UUID | None) -> Keys:
    secrets = signing_secrets([(organization_id, identity_id)]).get((organization_id, identity_id))
    if secrets is None:
        raise NotReady("The signing key cannot be read with the current INKBOX_SECRET_KEY. Rotate the signing key.")
    return Keys(secrets.current, secrets.previous)


@dataclass(frozen=True, slots=True)
class EventRange:
    """Which events to send again: numbers or times, both ends optional; `after` is exclusive, `through` inclusive.

    `only_failed` leaves out what was delivered.
    """

    after: int = 0
    through: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    only_failed: bool = False


@dataclass(frozen=True, slots=True)
class Redelivery:
    """How many deliveries were queued, and where to go on when there were too many for one call."""

    queued: int
    next_after: int
    has_more: bool


def redeliver_range(subscription: Subscription, wanted: EventRange) -> Redelivery:
    """Queue the events of a range again that the subscription selects, in order, also those from before it existed.

    What waits in the queue is not queued twice. At most limits.REDELIVERY_MAX_EVENTS in one call; one transaction.
    """
    events = list(_selected(subscription, wanted)[: limits.REDELIVERY_MAX_EVENTS + 1])
    has_more = len(events) > limits.REDELIVERY_MAX_EVENTS
    events = events[: limits.REDELIVERY_MAX_EVENTS]
    queued = 0
    with transaction.atomic():
        moment = now()
        rows = Dispatch.objects.select_for_update().filter(
            subscription=subscription, event_id__in=[event_id for event_id, _ in events]
        )
        known = {row.event_id: row for row in rows}
        again: list[Dispatch] = []
        fresh: list[Dispatch] = []
        for event_id, _ in events:
            row = known.get(event_id)
            if row is not None and row.state == DispatchState.PENDING:
                continue
            if row is not None and wanted.only_failed and row.state == DispatchState.SUCCEEDED:
                continue
            if row is None:
                row = Dispatch(event_id=event_id, subscription=subscription)
                fresh.append(row)
            else:
                again.append(row)
            row.state, row.attempts, row.leased_until = DispatchState.PENDING.value, 0, None
            # Claims go by this time, so rows of different age keep the order of their events.
            row.next_attempt_at = moment + timedelta(microseconds=queued)
            row.request_id, row.is_replay = new_request_id(), True
            queued += 1
        Dispatch.objects.bulk_update(
            again, ["state", "attempts", "leased_until", "next_attempt_at", "request_id", "is_replay"], batch_size=100
        )
        Dispatch.objects.bulk_create(fresh, ignore_conflicts=True)
        if queued:
            nudge(DELIVER_TASK)
    return Redelivery(queued, events[-1][1] if events else wanted.after, has_more)


def deliver_again(dispatch_ids: Iterable[int]) -> int:
    """Queue deliveries that were given up, in the order of their events; returns how many.

    Those that succeeded, still wait, or whose subscription is gone are left alone. For operators, who have no
    principal: callers have looked at what they select.
    """
    with transaction.atomic():
        rows = list(
            Dispatch.objects.select_for_update(of=("self",))
            .filter(
                pk__in=list(dispatch_ids),
                state=DispatchState.FAILED.value,
                subscription__status=SubscriptionStatus.ACTIVE.value,
            )
            .order_by("pk")
        )
        moment = now()
        for number, row in enumerate(rows):
            row.state, row.attempts, row.leased_until = DispatchState.PENDING.value, 0, None
            row.next_attempt_at = moment + timedelta(microseconds=number)
            row.request_id, row.is_replay = new_request_id(), True
        Dispatch.objects.bulk_update(
            rows, ["state", "attempts", "leased_until", "next_attempt_at", "request_id", "is_replay"], batch_size=100
        )
        if rows:
            nudge(DELIVER_TASK)
    return len(rows)


def _selected(subscription: Subscription, wanted: EventRange) -> QuerySet[Event, tuple[str, int]]:
    streams = {subscription.identity_id or subscription.selector_id, subscription.selector_id}
    replayable = [name for name in subscription.event_types if not name.startswith("slack.")]
    rows = Event.objects.filter(
        organization_id=subscription.organization_id,
        stream_id__in=streams,
        event_type__in=replayable,
        position__gt=wanted.after,
    )
    if wanted.through is not None:
        rows = rows.filter(position__lte=wanted.through)
    if wanted.since is not None:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(created_at__lte=wanted.until)
    return rows.order_by("position", "pk").values_list("pk", "position")
