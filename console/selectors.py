"""Reads that only pages need. Every one starts from the principal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db.models import Count, OuterRef, Q, Subquery

from common.clock import now
from common.ids import parse_uuid
from common.principal import Principal
from console.mail_selectors import alive_threads
from identities.models import AgentIdentity
from mail.approvals import ApprovalState
from mail.enums import Direction
from mail.models import Mailbox, Message, Thread
from webhooks.models import Event

ACTIVITY_ROWS = 15
_DAY = timedelta(days=1)
# What waits for approval, and what did not get it, was not sent.
_NOT_HELD = Q(approval_state=None) | Q(approval_state=ApprovalState.APPROVED.value)


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent in a list."""

    identity: AgentIdentity
    email_address: str
    last_message_at: datetime | None


@dataclass(frozen=True, slots=True)
class Activity:
    """One event, and the thread that tells more; None when there is none, or not any more."""

    event: Event
    thread_id: UUID | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The figures of the overview; `_today` is the last 24 hours."""

    agents: int
    received_today: int
    sent_today: int


def list_agents(principal: Principal, query: str = "") -> list[AgentRow]:
    """Agents by name; `query` narrows by handle and display name. Two queries, whatever their number."""
    rows = AgentIdentity.objects.visible_to(principal)
    if query:
        rows = rows.filter(Q(agent_handle__icontains=query) | Q(display_name__icontains=query))
    # The newest thread of each mailbox is one index probe, however much mail there is.
    newest = Thread.objects.filter(mailbox=OuterRef("pk"), deleted_at__isnull=True).order_by("-last_message_at")
    boxes = Mailbox.objects.visible_to(principal).annotate(newest=Subquery(newest.values("last_message_at")[:1]))
    by_identity = {row[0]: row[1:] for row in boxes.values_list("identity_id", "email_address", "newest")}
    return [
        AgentRow(identity, *by_identity.get(identity.pk, ("", None)))
        for identity in rows.order_by("agent_handle", "pk")
    ]


def list_agent_names(principal: Principal) -> list[dict[str, str]]:
    """Id, handle and name of every agent, by handle. One query."""
    rows = AgentIdentity.objects.visible_to(principal).order_by("agent_handle", "pk")
    return [{"id": str(row.pk), "handle": row.agent_handle, "name": row.sender_name} for row in rows]


def count_everything(principal: Principal) -> Counts:
    """The figures of the overview, in two queries that look at the last day only."""
    boxes = Mailbox.objects.visible_to(principal)
    recent = Message.objects.alive().filter(mailbox__in=boxes, is_blocked=False, created_at__gte=now() - _DAY)
    messages = recent.aggregate(
        received=Count("pk", filter=Q(direction=Direction.INBOUND.value)),
        sent=Count("pk", filter=Q(direction=Direction.OUTBOUND.value) & _NOT_HELD),
    )
    agents = AgentIdentity.objects.visible_to(principal).count()
    return Counts(agents, messages["received"], messages["sent"])


def latest_activity(principal: Principal, limit: int = ACTIVITY_ROWS) -> list[Activity]:
    """The newest events of the organization, in two queries."""
    rows = Event.objects.visible_to(principal).select_related("identity")
    events = list(rows.order_by("-position")[:limit])
    threads = {event.pk: thread for event in events if (thread := _thread_of(event)) is not None}
    alive = alive_threads(principal, set(threads.values()))
    return [Activity(event, found if (found := threads.get(event.pk)) in alive else None) for event in events]


def _thread_of(event: Event) -> UUID | None:
    """Of the message that an event speaks of."""
    data = orjson.loads(event.body).get("data")
    message = data.get("message") if isinstance(data, dict) else None
    return parse_uuid(str(message.get("thread_id"))) if isinstance(message, dict) else None
