"""The database side of delivery: claim what is due, record what came of it.

A claim is one conditional UPDATE that leases rows to this process. A lease that runs out, because the process was
killed, makes the row due again with the same request id and body: delivery is at-least-once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from django.db import transaction
from django.db.models import F, Q, QuerySet

from common.bulk import insert_rows
from common.clock import now
from identities.services.signing_keys import signing_secret
from webhooks import limits
from webhooks.enums import DispatchState, SubscriptionStatus
from webhooks.models import DeliveryAttempt, Dispatch
from webhooks.models.subscription import open_token
from webhooks.retry import decide

log = structlog.get_logger(__name__)

_PENDING = Q(state=DispatchState.PENDING.value)
_JOB_COLUMNS = (
    "pk",
    "attempts",
    "request_id",
    "body",
    "event_id",
    "event__event_type",
    "event__body",
    "event__organization_id",
    "event__identity_id",
    "subscription_id",
    "subscription__status",
    "subscription__url",
    "subscription__sealed_auth_token",
)


@dataclass(frozen=True, slots=True)
class Job:
    """Everything one attempt needs, so that sending touches no database."""

    dispatch_id: int | None
    organization_id: str
    identity_id: UUID | None
    subscription_id: UUID
    event_id: str
    event_type: str
    url: str
    body: str
    # The log keeps the body only when it is not the event's own.
    is_own_body: bool
    request_id: str
    tries: int
    secret: str | None
    auth_token: str | None
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to."""

    job: Job
    started_at: datetime
    duration_ms: int
    status: int | None = None
    response_body: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows leased by one `claim_due`, and when to look again if nothing wakes the dispatcher first."""

    jobs: list[Job]
    next_due_at: datetime | None


def _due(moment: datetime) -> QuerySet[Dispatch]:
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=moment)
    return Dispatch.objects.filter(_PENDING, free, next_attempt_at__lte=moment)


def release_leases() -> int:
    """Free the rows of a process that is known to be dead, instead of waiting for their leases to run out.

    Only for a process that is alone with its database (the embedded profile), when it starts.
    """
    return Dispatch.objects.filter(_PENDING, leased_until__isnull=False).update(leased_until=None)


def has_due() -> bool:
    """Whether anything waits to be sent now."""
    return _due(now()).exists()


def next_due_at(after: datetime) -> datetime | None:
    """When the next free row falls due after `after`. Leases that run out are found by the sweep."""
    rows = Dispatch.objects.filter(_PENDING, next_attempt_at__gt=after, leased_until__isnull=True)
    return rows.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()


def claim_due(limit: int, rooms: Mapping[UUID, int]) -> Claim:
    """Lease up to `limit` due rows, in event order for each subscription.

    `rooms` is how many more rows a subscription may get (others: MAX_IN_FLIGHT_PER_SUBSCRIPTION), so that the backlog
    of one receiver neither fills the slots nor hides the rows of others.
    """
    moment = now()
    chosen = _choose(limit, rooms, moment)
    if not chosen:
        # Whatever is due belongs to receivers without room, whose outcomes will wake the dispatcher.
        return Claim([], next_due_at(moment))
    with transaction.atomic():
        rows = _due(moment).filter(pk__in=chosen).select_for_update(skip_locked=True)
        ids = list(rows.values_list("pk", flat=True))
        Dispatch.objects.filter(pk__in=ids).update(leased_until=moment + limits.LEASE)
    return Claim(_jobs(ids), moment)


def _choose(limit: int, rooms: Mapping[UUID, int], moment: datetime) -> list[int]:
    """Ids to lease. Reads only, so an idle dispatcher takes no lock."""
    left = dict(rooms)
    chosen: list[int] = []
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
            room = left.setdefault(subscription, limits.MAX_IN_FLIGHT_PER_SUBSCRIPTION)
            if room > 0 and len(chosen) < limit:
                left[subscription] = room - 1
                chosen.append(pk)
        if len(page) < limit:
            break
    return chosen


def _jobs(ids: Sequence[int]) -> list[Job]:
    """The leased rows with all they need, in event order. Those of deleted subscriptions are cancelled instead."""
    rows = Dispatch.objects.filter(pk__in=ids).order_by("next_attempt_at", "pk").values_list(*_JOB_COLUMNS)
    secrets: dict[tuple[str, UUID | None], str | None] = {}
    jobs: list[Job] = []
    gone: list[int] = []
    for pk, tries, request_id, own_body, event, kind, body, owner, identity, subscription, status, url, token in rows:
        if status != SubscriptionStatus.ACTIVE:
            gone.append(pk)
            continue
        try:
            if (owner, identity) not in secrets:
                secrets[owner, identity] = signing_secret(owner, identity)
            auth_token = open_token(token)
        except InvalidTag:
            # Sealed under another INKBOX_SECRET_KEY. Sending unsigned would be worse than waiting for the right key.
            log.error("webhooks.secret_unreadable", subscription=str(subscription))
            continue
        jobs.append(
            Job(
                dispatch_id=pk,
                organization_id=owner,
                identity_id=identity,
                subscription_id=subscription,
                event_id=event,
                event_type=kind,
                url=url,
                body=body if own_body is None else own_body,
                is_own_body=own_body is not None,
                request_id=request_id,
                tries=tries + 1,
                secret=secrets[owner, identity],
                auth_token=auth_token,
            )
        )
    if gone:
        _cancel(gone)
    return jobs


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


def record_outcome(outcome: Outcome) -> DeliveryAttempt:
    """Log an attempt that has no row in the queue (a replay)."""
    attempt = _attempt(outcome)
    attempt.save(force_insert=True)
    return attempt


def _attempt(outcome: Outcome) -> DeliveryAttempt:
    job = outcome.job
    return DeliveryAttempt(
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


def _cancel(ids: Sequence[int]) -> None:
    Dispatch.objects.filter(_PENDING, pk__in=ids).update(
        state=DispatchState.CANCELLED.value, next_attempt_at=None, leased_until=None
    )
