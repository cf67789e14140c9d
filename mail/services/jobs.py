"""The queue of outgoing mail: claim a job, find due ones, free those of a dead process."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet

from common.clock import now
from common.nudge import nudge
from mail import limits
from mail.models import OutboundJob


def claim_job(message_id: UUID, *, is_relaying: bool, lease: timedelta) -> datetime | None:
    """Lease a due job of one stage: of all workers that try, one succeeds and learns since when it was due.

    Nobody gets a job of a suspended organization; it is put aside.
    """
    moment = now()
    found = OutboundJob.objects.filter(pk=message_id, is_relaying=is_relaying)
    due_at, suspended_at = found.values_list("due_at", "message__mailbox__organization__suspended_at").first() or (
        None,
        None,
    )
    if suspended_at is not None:
        _unleased(moment).filter(pk=message_id).update(due_at=moment + limits.SUSPENDED_RECHECK)
        return None
    claimed = OutboundJob.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=moment),
        pk=message_id,
        is_open=True,
        is_relaying=is_relaying,
        due_at__lte=moment,
    ).update(leased_until=moment + lease, attempts=F("attempts") + 1)
    return due_at if claimed else None


def put_aside(organization_id: str) -> None:
    """The organization was suspended: nobody starts its jobs. What is under way ends; its next try waits, too."""
    moment = now()
    rows = _unleased(moment).filter(message__mailbox__organization_id=organization_id)
    rows.update(due_at=moment + limits.SUSPENDED_RECHECK)


def bring_back(organization_id: str) -> None:
    """The organization was resumed: what waits is due, whether it was put aside or waited for its next try."""
    moment = now()
    rows = OutboundJob.objects.filter(
        is_open=True, due_at__gt=moment, message__mailbox__organization_id=organization_id
    )
    rows.update(due_at=moment)


def _unleased(moment: datetime) -> QuerySet[OutboundJob]:
    return OutboundJob.objects.filter(Q(leased_until__isnull=True) | Q(leased_until__lt=moment), is_open=True)


def due_jobs(*, is_relaying: bool, limit: int) -> list[UUID]:
    """Jobs of one stage that are due and that nobody works on, longest waiting first."""
    moment = now()
    due = OutboundJob.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=moment),
        is_open=True,
        is_relaying=is_relaying,
        due_at__lte=moment,
    )
    return list(due.order_by("due_at").values_list("pk", flat=True)[:limit])


def wake_due_jobs() -> int:
    """Wake workers for what is due or was left behind by a dead one; returns for how many messages."""
    local = due_jobs(is_relaying=False, limit=limits.LOCAL_SWEEP)
    relay = due_jobs(is_relaying=True, limit=limits.RELAY_SWEEP)
    for message_id in local:
        nudge("mail.send_message", message_id)
    for message_id in relay:
        nudge("mail.relay_message", message_id)
    return len(local) + len(relay)


def release_leases() -> int:
    """Free the jobs of a process that is known to be dead, instead of waiting for their leases to run out.

    Only for a process that is alone with its database (the embedded profile), when it starts.
    """
    return OutboundJob.objects.filter(is_open=True, leased_until__isnull=False).update(leased_until=None)
