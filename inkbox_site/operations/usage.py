"""What each organization uses: a handful of queries for a page of them, however much mail there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from common.clock import now
from identities.models import AgentIdentity, Organization
from mail.enums import Direction
from mail.models import Mailbox, Message
from webhooks.models import DeliveryAttempt, EventLog

RECENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Usage:
    """One organization. Mails are those of the last 24 hours; `active_at` is when something last happened."""

    organization: Organization
    agents: int
    received: int
    sent: int
    storage_bytes: int
    active_at: datetime | None


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole server. Mails and failures are those of the last 24 hours."""

    organizations: int
    suspended: int
    agents: int
    received: int
    sent: int
    failed_calls: int


def find_organizations(query: str, *, is_suspended: bool = False) -> QuerySet[Organization]:
    """By a part of the name, or by id; newest first."""
    rows = Organization.objects.order_by("-created_at", "pk")
    if is_suspended:
        rows = rows.filter(suspended_at__isnull=False)
    return rows.filter(Q(name__icontains=query) | Q(pk=query)) if query else rows


def usage_of(organizations: list[Organization]) -> list[Usage]:
    """Four queries."""
    ids = [organization.pk for organization in organizations]
    agents = _counted(AgentIdentity.objects.alive().filter(organization_id__in=ids), "organization_id", n=Count("pk"))
    boxes = Mailbox.objects.alive().filter(organization_id__in=ids)
    storage = _counted(boxes, "organization_id", n=Sum("storage_used_bytes"))
    recent = Message.objects.alive().filter(mailbox__in=boxes, created_at__gte=now() - RECENT)
    mails = _counted(recent, "mailbox__organization_id", **_DIRECTIONS)
    active = dict(EventLog.objects.filter(pk__in=ids).values_list("organization_id", "last_position"))
    return [
        Usage(
            organization,
            agents.get(organization.pk, {}).get("n", 0),
            mails.get(organization.pk, {}).get("received", 0),
            mails.get(organization.pk, {}).get("sent", 0),
            storage.get(organization.pk, {}).get("n") or 0,
            _moment(active.get(organization.pk, 0)),
        )
        for organization in organizations
    ]


def totals() -> Totals:
    """Four queries."""
    since = now() - RECENT
    organizations = Organization.objects.aggregate(
        all=Count("pk"), suspended=Count("pk", filter=Q(suspended_at__isnull=False))
    )
    mails = Message.objects.alive().filter(created_at__gte=since).aggregate(**_DIRECTIONS)
    calls = DeliveryAttempt.objects.filter(created_at__gte=since)
    failed = calls.exclude(response_status__gte=200, response_status__lt=300).count()
    return Totals(
        organizations["all"],
        organizations["suspended"],
        AgentIdentity.objects.alive().count(),
        mails["received"],
        mails["sent"],
        failed,
    )


_DIRECTIONS = {
    "received": Count("pk", filter=Q(direction=Direction.INBOUND.value)),
    "sent": Count("pk", filter=Q(direction=Direction.OUTBOUND.value)),
}


def _counted(rows: QuerySet[Any], column: str, **figures: Any) -> dict[str, dict[str, Any]]:
    return {row.pop(column): row for row in rows.order_by().values(column).annotate(**figures)}


def _moment(position: int) -> datetime | None:
    """Positions of the event log are microseconds (webhooks/models/event.py)."""
    return datetime.fromtimestamp(position / 1_000_000, UTC) if position else None
