"""Find what somebody asks about, and say what state it is in, so that nobody has to sign in as somebody else.

States, times and ids only: never a subject, a body, a note, a key or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from common.ids import parse_uuid
from identities.models import AgentIdentity, ApiKey, Organization
from mail.addresses import normalize_address
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SendAttempt, Suppression
from webhooks.models import DeliveryAttempt, Dispatch, Event, Subscription

ROWS = 10
QUERY_MAX_CHARS = 1000
_NOBODY = "-"
Fact = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """One row: what it is, where its page in the admin is, and its states."""

    kind: str
    title: str
    link: str
    facts: list[Fact] = field(default_factory=list)


def find(query: str) -> list[Found]:
    """Whatever has this id, name or address: at most ROWS of each kind, and a fixed number of queries."""
    text = query.strip().removeprefix("@")[:QUERY_MAX_CHARS]
    if not text or "\x00" in text:
        return []
    row_id = parse_uuid(text)
    found: list[Found] = []
    if row_id is not None:
        found += _messages(Q(pk=row_id)) + _deliveries(row_id) + _subscriptions(row_id)
    if text.startswith("<") or ("@" in text and text.endswith(">")):
        found += _messages(Q(message_id=text))
    elif "@" in text:
        found += _mailboxes(normalize_address(text))
    if text.startswith("evt_"):
        found += _events(text)
    if text.startswith("ApiKey_"):
        found += _keys(text.partition(".")[0])
    return found + _agents(text, row_id) + _organizations(text)


def _organizations(text: str) -> list[Found]:
    rows = Organization.objects.filter(Q(pk=text) | Q(name__icontains=text)).order_by("-created_at")[:ROWS]
    return [
        Found(
            "Organization",
            row.name,
            _page("identities_organization", row.pk),
            [("id", row.pk), *_state_of(row), ("made", row.created_at), ("by an agent", row.is_provisional)],
        )
        for row in rows
    ]


def _agents(text: str, row_id: UUID | None) -> list[Found]:
    wanted = Q(pk=row_id) if row_id is not None else Q(agent_handle=text.lower())
    rows = AgentIdentity.objects.filter(wanted).select_related("organization").order_by("-created_at")[:ROWS]
    return [
        Found(
            "Agent",
            f"@{row.agent_handle}",
            _page("identities_agentidentity", row.pk) if row.deleted_at is None else "",
            [
                ("id", row.pk),
                ("organization", row.organization.name),
                *_state_of(row.organization),
                ("status", row.status),
                ("claim", row.claim_status),
                ("made", row.created_at),
                ("deleted", row.deleted_at or "no"),
            ],
        )
        for row in rows
    ]


def _keys(key_id: str) -> list[Found]:
    rows = ApiKey.objects.filter(pk__startswith=key_id).select_related("organization", "scoped_identity")[:ROWS]
    return [
        Found(
            "API key",
            row.display_prefix,
            _page("identities_apikey", row.pk),
            [
                ("organization", row.organization.name),
                *_state_of(row.organization),
                ("scope", f"@{row.scoped_identity.agent_handle}" if row.scoped_identity else "organization"),
                ("status", row.status),
                ("last used", row.last_used_at or "never"),
                ("expires", row.expires_at or "never"),
            ],
        )
        for row in rows
    ]


def _mailboxes(address: str) -> list[Found]:
    boxes = Mailbox.objects.filter(email_address=address).select_related("organization", "identity")[:ROWS]
    found = [
        Found(
            "Mailbox",
            row.email_address,
            _page("mail_mailbox", row.pk),
            [
                ("id", row.pk),
                ("organization", row.organization.name),
                *_state_of(row.organization),
                ("agent", f"@{row.identity.agent_handle}" if row.identity else _NOBODY),
                ("agent status", row.identity.status if row.identity else _NOBODY),
                ("storage used, bytes", row.storage_used_bytes),
                ("storage limit, bytes", "none" if row.storage_limit_bytes is None else row.storage_limit_bytes),
                ("deleted", row.deleted_at or "no"),
            ],
        )
        for row in boxes
    ]
    holds = Suppression.objects.filter(address=address).order_by("-created_at")[:ROWS]
    return found + [
        Found(
            "Suppressed recipient",
            row.address,
            _page("mail_suppression", row.pk),
            [
                ("organization", row.organization_id),
                ("reason", row.reason),
                ("since", row.created_at),
                ("until", row.expires_at or "removed by hand"),
            ],
        )
        for row in holds
    ]


def _messages(wanted: Q) -> list[Found]:
    """A Message-ID has an index in each mailbox only: without one, all messages are looked at, which takes a while."""
    rows = list(Message.objects.filter(wanted).select_related("mailbox__organization", "thread").order_by("pk")[:ROWS])
    ids = [row.pk for row in rows]
    jobs = {job.pk: job for job in OutboundJob.objects.filter(pk__in=ids)}
    recipients: dict[UUID, list[Fact]] = {}
    for each in OutboundRecipient.objects.filter(message_id__in=ids).order_by("pk")[: ROWS * 50]:
        what = f"{each.state}, {each.detail}" if each.detail else each.state
        recipients.setdefault(each.message_id, []).append((f"to {each.address}", what))
    attempts: dict[UUID, list[Fact]] = {}
    for attempt in SendAttempt.objects.filter(message_id__in=ids).order_by("pk")[: ROWS * 50]:
        what = f"{attempt.outcome}, {attempt.detail}" if attempt.detail else attempt.outcome
        line = (f"try by {attempt.transport}", f"{attempt.started_at:%Y-%m-%d %H:%M:%S} UTC: {what}")
        attempts.setdefault(attempt.message_id, []).append(line)
    return [
        Found(
            "Message",
            str(row.pk),
            _page("mail_message", row.pk),
            [
                ("mailbox", row.mailbox.email_address),
                ("organization", row.mailbox.organization.name),
                *_state_of(row.mailbox.organization),
                ("direction", row.direction),
                ("status", row.status),
                ("Message-ID", row.message_id),
                ("folder", row.thread.folder),
                ("size, bytes", row.size_bytes),
                ("approval", row.approval_state or "not needed"),
                ("received or sent", row.created_at),
                ("deleted", row.deleted_at or "no"),
                *_job(jobs.get(row.pk)),
                *recipients.get(row.pk, []),
                *attempts.get(row.pk, []),
            ],
        )
        for row in rows
    ]


def _job(job: OutboundJob | None) -> list[Fact]:
    if job is None or not job.is_open:
        return []
    return [("next try", job.due_at), ("tries of this stage", job.attempts)]


def _events(event_id: str) -> list[Found]:
    rows = Event.objects.filter(pk=event_id).select_related("organization", "identity").defer("body")
    return [
        Found(
            "Event",
            row.pk,
            _page("webhooks_event", row.pk),
            [
                ("type", row.event_type),
                ("organization", row.organization.name),
                ("agent", f"@{row.identity.agent_handle}" if row.identity else _NOBODY),
                ("happened", row.created_at),
                *[
                    (f"to subscription {each.subscription_id}", f"{each.state} after {each.attempts} tries")
                    for each in Dispatch.objects.filter(event_id=event_id)[:50]
                ],
            ],
        )
        for row in rows
    ]


def _deliveries(row_id: UUID) -> list[Found]:
    rows = DeliveryAttempt.objects.filter(pk=row_id).defer("body", "response_body").select_related("organization")
    return [
        Found(
            "Webhook delivery",
            str(row.pk),
            _page("webhooks_deliveryattempt", row.pk),
            [
                ("organization", row.organization.name),
                ("event", f"{row.event_type} {row.event_id or ''}"),
                ("answer", row.response_status or "none"),
                ("error", row.error_detail or "none"),
                ("at", row.created_at),
            ],
        )
        for row in rows
    ]


def _subscriptions(row_id: UUID) -> list[Found]:
    rows = Subscription.objects.filter(pk=row_id).select_related("organization")
    return [
        Found(
            "Webhook",
            str(row.pk),
            _page("webhooks_subscription", row.pk),
            [
                ("organization", row.organization.name),
                ("status", row.status),
                *[
                    (f"deliveries {state}", Dispatch.objects.filter(subscription=row, state=state).count())
                    for state in ("pending", "failed")
                ],
            ],
        )
        for row in rows
    ]


def _state_of(row: Organization) -> list[Fact]:
    if row.suspended_at is None:
        return []
    return [("organization suspended", row.suspended_at), ("reason", row.suspension_reason or "none given")]


def _page(name: str, pk: object) -> str:
    return reverse(f"admin:{name}_change", args=[pk])
