"""The database side of delivery: claim what is due, record what came of it.

A claim is one conditional UPDATE that leases rows to this process. A lease that runs out, because the process was
killed, makes the row due again with the same request id and body: delivery is at-least-once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from django.db import transaction
from django.db.models import F, Q, QuerySet

from common.bulk import insert_rows
from common.clock import now
from common.ids import uuid7
from identities.services.signing_keys import signing_secrets
from webhooks import limits
from webhooks.enums import CircuitState, DispatchState, SubscriptionStatus
from webhooks.models import DeliveryAttempt, Dispatch, EndpointHealth
from webhooks.models.subscription import open_token
from webhooks.retry import decide
from webhooks.services.circuits import note_outcomes
from webhooks.services.jobs import Job, Outcome
from webhooks.signing import Keys

log = structlog.get_logger(__name__)

_PENDING = Q(state=DispatchState.PENDING.value)
_JOB_COLUMNS = (
    "pk",
    "attempts",
    "request_id",
    "body",
    "is_replay",
    "event_id",
    "event__event_type",
    "event__body",
    "event__organization_id",
    "event__identity_id",
    "event__organization__suspended_at",
    "subscription_id",
    "subscription__status",
    "subscription__url",
    "subscription__sealed_auth_token",
    "subscription__standard_webhooks",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows leased by one `claim_due`, and when to look again if nothing wakes the dispatcher first."""

    jobs: list[Job]
    next_due_at: datetime | None


def _due(moment: datetime) -> QuerySet[Dispatch]:
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=moment)
    return Dispatch.objects.filter(_PENDING, free, next_attempt_at__lte=moment)


def _held(moment: datetime) -> QuerySet[EndpointHealth]:
    """Endpoints that nothing is sent to now."""
    return EndpointHealth.objects.impaired().exclude(state=CircuitState.OPEN.value, retry_at__lte=moment)


def release_leases() -> int:
    """Free the rows of a process that is known to be dead, instead of waiting for their leases to run out.

    Only for a process that is alone with its database (the embedded profile), when it starts.
    """
    return Dispatch.objects.filter(_PENDING, leased_until__isnull=False).update(leased_until=None)


def has_due() -> bool:
    """Whether anything waits to be sent now: due, not leased, and not held by an open circuit."""
    moment = now()
    return _due(moment).exclude(subscription__in=_held(moment).values("subscription")).exists()


def oldest_sendable_at() -> datetime | None:
    """Since when the longest waiting row could have been sent; endpoints that do not work are not counted."""
    rows = _due(now()).exclude(subscription__in=EndpointHealth.objects.impaired().values("subscription"))
    return rows.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()


def _next_due_at(after: datetime, circuits: Iterable[tuple[UUID, datetime | None]]) -> datetime | None:
    """When to look again: the next free row falls due or an open circuit may be probed.

    Leases that run out are found by the sweep.
    """
    rows = Dispatch.objects.filter(_PENDING, next_attempt_at__gt=after, leased_until__isnull=True)
    first = rows.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    moments = [retry_at for _, retry_at in circuits if retry_at is not None and retry_at > after]
    return min([*moments, *([first] if first is not None else [])], default=None)


def claim_due(limit: int, rooms: Mapping[UUID, int], busy: Collection[UUID] = ()) -> Claim:
    """Lease up to `limit` due rows, in event order for each subscription.

    `rooms` is how many more rows a subscription may get (others: NEW_LANE_ROOM), so that the backlog of one receiver
    neither fills the slots nor hides the rows of others. An open circuit gets one row when its time has come, unless
    the subscription is `busy` in this process already.
    """
    moment = now()
    # Of these there are few: only endpoints that do not work.
    circuits = list(EndpointHealth.objects.impaired().values_list("subscription_id", "retry_at"))
    probed = {pk for pk, retry_at in circuits if retry_at is not None and retry_at <= moment and pk not in busy}
    rooms = {**rooms, **{pk: int(pk in probed) for pk, _ in circuits}}
    chosen = _choose(limit, rooms, moment)
    if not chosen:
        # Whatever is due belongs to receivers without room, whose outcomes will wake the dispatcher.
        return Claim([], _next_due_at(moment, circuits))
    with transaction.atomic():
        lost = {subscription for subscription in chosen.values() if subscription in probed} - _take_probes(
            {subscription for subscription in chosen.values() if subscription in probed}, moment
        )
        wanted = [pk for pk, subscription in chosen.items() if subscription not in lost]
        rows = _due(moment).filter(pk__in=wanted).select_for_update(skip_locked=True)
        ids = list(rows.values_list("pk", flat=True))
        Dispatch.objects.filter(pk__in=ids).update(leased_until=moment + limits.LEASE)
    return Claim(_jobs(ids), moment)


def _take_probes(subscriptions: Iterable[UUID], moment: datetime) -> set[UUID]:
    """Those whose probe is ours. Of two processes one gets it; if that one dies, the next probe comes soon enough."""
    later = moment + limits.PROBE_PATIENCE
    return {
        pk
        for pk in sorted(subscriptions)
        if EndpointHealth.objects.filter(pk=pk, state=CircuitState.OPEN.value, retry_at__lte=moment).update(
            retry_at=later
        )
    }


def _choose(limit: int, rooms: Mapping[UUID, int], moment: datetime) -> dict[int, UUID]:
    """Ids to lease and their subscriptions. Reads only, so an idle dispatcher takes no lock."""
    left = dict(rooms)
    chosen: dict[int, UUID] = {}
    after: tuple[datetime, int] | None = None
    while len(chosen) < limit:
        full = [subscription for subscription, room in left.items() if room <= 0]
        rows = _due(moment).exclude(subscription_id__in=full) if full else _due(moment)
        if after is not None:
            rows = rows.filter(next_attempt_at__gte=after[0]).filter(
                Q(next_attempt_at__gt=after[0]) | Q(pk__gt=after[1])
            )
        rows = rows.order_by("next_attempt_at", "pk")
        page = list(rows.values_list("pk", "subscription_id", "next_attempt_at")[:limit])
        for pk, subscription, at in page:
            assert at is not None
            after = (at, pk)
            room = left.setdefault(subscription, limits.NEW_LANE_ROOM)
            if room > 0 and len(chosen) < limit:
                left[subscription] = room - 1
                chosen[pk] = subscription
        if len(page) < limit:
            break
    return chosen


def _jobs(ids: Sequence[int]) -> list[Job]:
    """The leased rows with all they need, in event order. Those of deleted subscriptions are cancelled instead,
    those of suspended organizations put aside.
    """
    rows = list(Dispatch.objects.filter(pk__in=ids).order_by("next_attempt_at", "pk").values(*_JOB_COLUMNS))
    gone = [row["pk"] for row in rows if row["subscription__status"] != SubscriptionStatus.ACTIVE]
    if gone:
        _cancel(gone)
        rows = [row for row in rows if row["pk"] not in set(gone)]
    aside = {row["pk"] for row in rows if row["event__organization__suspended_at"] is not None}
    if aside:
        _put_aside(Dispatch.objects.filter(pk__in=aside))
        rows = [row for row in rows if row["pk"] not in aside]
    secrets = signing_secrets({(row["event__organization_id"], row["event__identity_id"]) for row in rows})
    jobs: list[Job] = []
    for row in rows:
        owner = (row["event__organization_id"], row["event__identity_id"])
        try:
            auth_token = open_token(row["subscription__sealed_auth_token"])
        except InvalidTag:
            log.error("webhooks.token_unreadable", subscription=str(row["subscription_id"]))
            continue
        if owner not in secrets:
            # Sealed under another INKBOX_SECRET_KEY. Sending unsigned would be worse than waiting for the right key.
            continue
        own_body = row["body"]
        jobs.append(
            Job(
                dispatch_id=row["pk"],
                organization_id=owner[0],
                identity_id=owner[1],
                subscription_id=row["subscription_id"],
                event_id=row["event_id"],
                event_type=row["event__event_type"],
                url=row["subscription__url"],
                body=row["event__body"] if own_body is None else own_body,
                is_own_body=own_body is not None,
                request_id=row["request_id"],
                tries=row["attempts"] + 1,
                keys=Keys(secrets[owner].current, secrets[owner].previous),
                auth_token=auth_token,
                standard_webhooks=row["subscription__standard_webhooks"],
                is_replay=row["is_replay"],
            )
        )
    return jobs


def put_aside(organization_id: str) -> None:
    """The organization was suspended: nobody starts its deliveries. What is under way ends."""
    moment = now()
    _put_aside(_due(moment).filter(event__organization_id=organization_id))


def bring_back(organization_id: str) -> None:
    """The organization was resumed: what waits is due, whether it was put aside or waited for its next try."""
    moment = now()
    rows = Dispatch.objects.filter(_PENDING, next_attempt_at__gt=moment, event__organization_id=organization_id)
    rows.update(next_attempt_at=moment)


def _put_aside(rows: QuerySet[Dispatch]) -> None:
    rows.filter(_PENDING).update(next_attempt_at=now() + limits.SUSPENDED_RECHECK, leased_until=None)


def release_jobs(jobs: Iterable[Job]) -> None:
    """Give rows back that were leased and not started."""
    ids = [job.dispatch_id for job in jobs if job.dispatch_id is not None]
    if ids:
        Dispatch.objects.filter(_PENDING, pk__in=ids).update(leased_until=None)


def record_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Log the attempts and move their rows on, in one transaction.

    A row that was cancelled while its request was under way stays cancelled; the attempt is logged all the same.
    """
    if not outcomes:
        return
    succeeded: defaultdict[int, list[int]] = defaultdict(list)
    with transaction.atomic():
        insert_rows(DeliveryAttempt, [_attempt(outcome) for outcome in outcomes])
        for outcome in outcomes:
            job = outcome.job
            if job.dispatch_id is None:
                continue
            decision = decide(
                status=outcome.status,
                tries=job.tries,
                at=outcome.started_at + timedelta(milliseconds=outcome.duration_ms),
                retry_after=outcome.retry_after,
                chance=random.random(),  # noqa: S311 - spreads retries, guards nothing
            )
            if decision.state is DispatchState.SUCCEEDED:
                succeeded[job.tries].append(job.dispatch_id)
                continue
            Dispatch.objects.filter(_PENDING, pk=job.dispatch_id, attempts=job.tries - 1).update(
                state=decision.state.value, attempts=job.tries, next_attempt_at=decision.at, leased_until=None
            )
        for ids in succeeded.values():
            Dispatch.objects.filter(_PENDING, pk__in=ids).update(
                state=DispatchState.SUCCEEDED.value,
                attempts=F("attempts") + 1,
                next_attempt_at=None,
                leased_until=None,
            )
        # Last: it may record events, and from then on others who record for these organizations wait.
        note_outcomes(outcomes)


def record_outcome(outcome: Outcome) -> DeliveryAttempt:
    """Log an attempt that has no row in the queue (a replay, a test)."""
    attempt = _attempt(outcome)
    with transaction.atomic():
        attempt.save(force_insert=True)
        note_outcomes([outcome])
    return attempt


def _attempt(outcome: Outcome) -> DeliveryAttempt:
    job = outcome.job
    return DeliveryAttempt(
        id=job.attempt_id or uuid7(),
        organization_id=job.organization_id,
        identity_id=job.identity_id,
        subscription_id=job.subscription_id,
        event_id=job.event_id,
        event_type=job.event_type,
        url=job.url,
        body=job.body if job.is_own_body else None,
        request_id=job.request_id,
        response_status=outcome.status,
        response_body=outcome.response_body,
        error_detail=outcome.error,
        duration_ms=outcome.duration_ms,
        is_replay=job.is_replay,
        created_at=outcome.started_at,
    )


def give_up_old() -> int:
    """Fail what was due limits.DELIVERY_MAX_AGE ago and is still held; returns the number of rows."""
    rows = Dispatch.objects.filter(_PENDING, next_attempt_at__lt=now() - limits.DELIVERY_MAX_AGE)
    return rows.update(state=DispatchState.FAILED.value, next_attempt_at=None, leased_until=None)


def _cancel(ids: Sequence[int]) -> None:
    Dispatch.objects.filter(_PENDING, pk__in=ids).update(
        state=DispatchState.CANCELLED.value, next_attempt_at=None, leased_until=None
    )
