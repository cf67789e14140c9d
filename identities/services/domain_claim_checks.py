"""Look for the DNS records of claimed domains: claim a row, ask outside any transaction, settle what was found.

The row is the queue. A process that dies while it asks leaves a lease that runs out, and the sweep finds the row
again; an answer that comes after that is thrown away.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.db import refuse_in_transaction
from common.dns import dns_client
from common.nudge import nudge
from identities import limits
from identities.domain_claims import (
    CHECKED,
    POLLED,
    PUBLISHED,
    CheckResult,
    ClaimEvent,
    ClaimState,
    check_delay,
    event_of,
    judge_answer,
    next_state,
    record_name,
)
from identities.models import OrganizationDomain

log = structlog.get_logger(__name__)

_CHECKED = [state.value for state in CHECKED]
_POLLED = [state.value for state in POLLED]
_PUBLISHED = [state.value for state in PUBLISHED]


def check_claim(claim_id: UUID, *, is_forced: bool = False) -> bool:
    """Ask DNS and settle. False when the row was not due, is being looked at by somebody else, or was released.

    Blocks for up to 3 seconds when DNS is slow. `is_forced` looks now rather than when the row is due.
    """
    refuse_in_transaction("Asking DNS")
    row = _take(claim_id, is_forced=is_forced)
    if row is None:
        return False
    result = judge_answer(dns_client().lookup(record_name(row.domain), "TXT"), row.token)
    assert row.checking_until is not None
    return _settle(claim_id, row.checking_until, result)


def due_claims(limit: int) -> list[UUID]:
    """Rows whose look is due and that nobody looks at, longest waiting first."""
    moment = now()
    rows = OrganizationDomain.objects.filter(
        Q(checking_until__isnull=True) | Q(checking_until__lt=moment), state__in=_POLLED, next_check_at__lte=moment
    )
    return list(rows.order_by("next_check_at").values_list("pk", flat=True)[:limit])


def wake_due_claims() -> int:
    """Wake workers for due looks; returns for how many."""
    due = due_claims(limits.DOMAIN_SWEEP)
    for claim_id in due:
        nudge("identities.check_domain", claim_id)
    return len(due)


def close_claims() -> int:
    """End what was not proven in time, and proofs that nothing has renewed; returns how many."""
    moment = now()
    late = Q(state=ClaimState.PENDING.value, pending_expires_at__lte=moment)
    late |= Q(state__in=_PUBLISHED, valid_until__lte=moment)
    closed = 0
    for pk in list(OrganizationDomain.objects.filter(late).values_list("pk", flat=True)[: limits.DOMAIN_SWEEP]):
        with transaction.atomic():
            row = OrganizationDomain.objects.select_for_update().filter(late, pk=pk).first()
            if row is not None:
                _move(row, _elapsed(row.status, row, moment))
                row.save()
                closed += 1
    return closed


def _take(claim_id: UUID, *, is_forced: bool) -> OrganizationDomain | None:
    moment = now()
    with transaction.atomic():
        row = OrganizationDomain.objects.select_for_update().filter(pk=claim_id, state__in=_CHECKED).first()
        if row is None or (row.checking_until is not None and row.checking_until >= moment):
            return None
        if not is_forced and (row.next_check_at is None or row.next_check_at > moment):
            return None
        row.checking_until = moment + limits.DOMAIN_CHECK_LEASE
        row.save(update_fields=["checking_until", "updated_at"])
    return row


def _settle(claim_id: UUID, lease: datetime, result: CheckResult) -> bool:
    """Record the result and what follows from it; False when the lease ran out or the claim was released."""
    moment = now()
    with transaction.atomic():
        row = OrganizationDomain.objects.select_for_update().filter(pk=claim_id).first()
        if row is None or row.checking_until != lease or row.status not in CHECKED:
            return False
        row.checking_until, row.last_checked_at = None, moment
        row.last_check_result = result.value
        if result is CheckResult.FOUND:
            row.verified_at = row.verified_at or moment
            row.last_success_at, row.valid_until = moment, moment + limits.DOMAIN_PROOF_VALIDITY
        after = next_state(row.status, event_of(result))
        _move(row, _elapsed(after, row, moment))
        if row.status in POLLED:
            row.next_check_at = moment + check_delay(row.status, moment - row.pending_since, result)
        row.save()
    return True


def _elapsed(state: ClaimState, row: OrganizationDomain, moment: datetime) -> ClaimState:
    """The state once what has run out is taken into account."""
    if row.pending_expires_at is not None and row.pending_expires_at <= moment:
        state = next_state(state, ClaimEvent.WINDOW_ELAPSED)
    if row.valid_until is not None and row.valid_until <= moment:
        state = next_state(state, ClaimEvent.VALIDITY_ELAPSED)
    return state


def _move(row: OrganizationDomain, after: ClaimState) -> None:
    before = row.status
    if after is not before:
        row.state = after.value
        log.info("identities.domain_state", claim_id=str(row.pk), before=before.value, after=after.value)
    if after not in POLLED:
        row.next_check_at = None
