"""Brakes on mail between agents: count what goes back and forth, pause an exchange that runs away, let it go on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.errors import Forbidden
from common.prepared import Many, Prepared
from common.principal import Principal
from mail import limits
from mail.addresses import normalize_address
from mail.brakes import Budget, drained, is_spent
from mail.enums import Direction
from mail.errors import ExchangePaused
from mail.models import Exchange, Mailbox, Message, Thread

log = structlog.get_logger(__name__)

_PEERS = Prepared(
    lambda addresses: (
        Mailbox.objects.alive()
        .filter(email_address__in=addresses, identity__isnull=False)
        .values_list("pk", "email_address")
    ),
    Many(str),
)


@dataclass(frozen=True, slots=True)
class _Scene:
    """A message on its way to other agents here, and what lately went between them."""

    message: Message
    peers: Mapping[str, UUID]
    out: Mapping[str, Exchange]
    back: Mapping[UUID, Exchange]
    moment: datetime


def thread_budget() -> Budget:
    """Exchanged messages in one thread."""
    return Budget(settings.AGENT_THREAD_MESSAGES, limits.THREAD_BUDGET_WINDOW)


def pair_budget() -> Budget:
    """Exchanged messages between two mailboxes, whatever their threads."""
    return Budget(settings.AGENT_PAIR_MESSAGES, limits.PAIR_BUDGET_WINDOW)


def count_exchange(message: Message, addresses: Collection[str]) -> None:
    """Count an accepted message against the budgets, inside the transaction (and under the mailbox lock) of its send.

    The message that spends a budget is sent; what follows raises ExchangePaused 429 until the pause is over, and its
    transaction is rolled back. Mail to anybody who is no agent of this server is neither counted nor held.
    """
    wanted = {normalize_address(address) for address in addresses} - {message.mailbox.email_address}
    peers = {row[1]: row[0] for row in _PEERS.tuples(wanted)} if wanted else {}
    if not peers:
        return
    scene = _look(message, peers)
    _refuse_paused(scene)
    _count(scene)
    if _is_thread_spent(scene):
        _pause_thread(scene, thread_budget().describe("in this thread"))


def resume_thread(principal: Principal, thread: Thread) -> None:
    """Let a paused exchange go on, with fresh budgets. For people and admin keys; raises Forbidden."""
    if not principal.manages_organization:
        raise Forbidden("Only an admin key, an owner or an admin may resume a paused thread.")
    moment = now()
    address = thread.mailbox.email_address
    with transaction.atomic():
        Thread.objects.filter(pk=thread.pk).update(paused_until=None, paused_reason=None, resumed_at=moment)
        own = Q(mailbox_id=thread.mailbox_id)
        towards = Q(peer=address, mailbox__organization_id=principal.organization_id)
        Exchange.objects.filter(own | towards, paused_until__isnull=False).update(paused_until=None, level=0)
    thread.paused_until = thread.paused_reason = None


def end_pauses() -> int:
    """Take the mark off threads whose pause is over; returns how many."""
    return Thread.objects.filter(paused_until__lte=now()).update(paused_until=None, paused_reason=None)


def purge_exchanges() -> int:
    """Remove rows that say nothing any more; returns how many."""
    old = now() - 2 * limits.PAIR_BUDGET_WINDOW - limits.EXCHANGE_PAUSE
    ids = list(Exchange.objects.filter(counted_at__lt=old).values_list("pk", flat=True)[:5000])
    return Exchange.objects.filter(pk__in=ids).delete()[0]


def _look(message: Message, peers: Mapping[str, UUID]) -> _Scene:
    own = message.mailbox
    rows = Exchange.objects.filter(
        Q(mailbox_id=own.pk, peer__in=peers) | Q(mailbox_id__in=peers.values(), peer=own.email_address)
    )
    out: dict[str, Exchange] = {}
    back: dict[UUID, Exchange] = {}
    for row in rows:
        if row.mailbox_id == own.pk:
            out[row.peer] = row
        else:
            back[row.mailbox_id] = row
    return _Scene(message, peers, out, back, message.created_at)


def _refuse_paused(scene: _Scene) -> None:
    thread = Thread.objects.filter(pk=scene.message.thread_id).values_list("paused_until", "paused_reason").first()
    if thread is not None and thread[0] is not None and thread[0] > scene.moment:
        raise _paused(scene, thread[0], thread[1] or "")
    for row in (*scene.out.values(), *scene.back.values()):
        if row.paused_until is not None and row.paused_until > scene.moment:
            raise _paused(scene, row.paused_until, pair_budget().describe("between these mailboxes"))


def _paused(scene: _Scene, until: datetime, reason: str) -> ExchangePaused:
    seconds = max(1, math.ceil((until - scene.moment).total_seconds()))
    return ExchangePaused(reason, until, seconds)


def _count(scene: _Scene) -> None:
    """One more for every pair; a pair that has spent its budget in both directions is paused from now on."""
    budget = pair_budget()
    if budget.messages <= 0:
        return
    own, rows, is_any_spent = scene.message.mailbox, [], False
    for address, mailbox_id in scene.peers.items():
        row = scene.out.get(address) or Exchange(mailbox=own, peer=address, counted_at=scene.moment)
        row.level = drained(row.level, scene.moment - row.counted_at, budget) + 1
        row.counted_at, row.paused_until = scene.moment, None
        reverse = scene.back.get(mailbox_id)
        received = drained(reverse.level, scene.moment - reverse.counted_at, budget) if reverse is not None else 0.0
        if is_spent(row.level, received, budget):
            row.paused_until, is_any_spent = scene.moment + limits.EXCHANGE_PAUSE, True
        rows.append(row)
    Exchange.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["mailbox", "peer"],
        update_fields=["level", "counted_at", "paused_until"],
    )
    if is_any_spent:
        _pause_thread(scene, budget.describe("between these mailboxes"))


def _is_thread_spent(scene: _Scene) -> bool:
    """Counted in the thread itself. One look at an index, cut off where more would not change the answer."""
    budget = thread_budget()
    if budget.messages <= 0:
        return False
    resumed_at = scene.message.thread.resumed_at
    since = max(scene.moment - budget.window, resumed_at or scene.moment - budget.window)
    recent = Message.objects.filter(thread_id=scene.message.thread_id, created_at__gt=since)
    directions = list(recent.order_by("-created_at").values_list("direction", flat=True)[: 4 * budget.messages])
    return is_spent(directions.count(Direction.OUTBOUND), directions.count(Direction.INBOUND), budget)


def _pause_thread(scene: _Scene, reason: str) -> None:
    until = scene.moment + limits.EXCHANGE_PAUSE
    Thread.objects.filter(pk=scene.message.thread_id).update(paused_until=until, paused_reason=reason)
    log.warning("mail.exchange_paused", thread=str(scene.message.thread_id), mailbox=str(scene.message.mailbox_id))
