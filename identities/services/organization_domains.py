"""Claim domains for an organization, and give them up (contract identities.md section 17).

Used by the API and the admin; whoever calls has found the row with a selector of the caller.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from common import ratelimit
from common.clock import now
from common.domain_names import parse_public_domain
from common.nudge import nudge
from common.principal import Principal
from identities import limits
from identities.domain_claims import DOMAIN_MAX_CHARS, ClaimEvent, ClaimState, next_state
from identities.enums import AuditAction
from identities.errors import (
    OrganizationDomainNotFound,
    OrganizationDomainReleased,
    TooManyOrganizationDomains,
)
from identities.models import DomainAffiliation, OrganizationDomain
from identities.roles import require_manager
from identities.services.audit import Target, record_audit
from identities.services.domain_claim_checks import check_claim


@dataclass(frozen=True, slots=True)
class DomainClaim:
    """The row, and whether this call made it."""

    row: OrganizationDomain
    is_new: bool


def parse_claimed_domain(raw: str) -> str:
    """A name that can be claimed, as it is stored. Raises Invalid saying why it cannot."""
    return parse_public_domain(raw, max_chars=DOMAIN_MAX_CHARS, example="example.com")


def claim_domain(principal: Principal, domain: str) -> DomainClaim:
    """Claim a name and get the record to publish. A name that the organization has already is returned as it is; one
    that has expired is looked for again, with the record that it had.

    A claim takes nothing from anybody: what counts is the record in DNS. Raises RoleTooLow 403, Invalid 422 for names
    that nobody can own, TooManyOrganizationDomains 402.
    """
    require_manager(principal)
    assert principal.organization_id is not None
    name = parse_claimed_domain(domain)
    rows = OrganizationDomain.objects.visible_to(principal).exclude(state=ClaimState.RELEASED.value)
    try:
        with transaction.atomic():
            mine = rows.select_for_update().filter(domain=name).first()
            if mine is not None:
                return DomainClaim(_restart(mine), is_new=False)
            if rows.count() >= limits.ORGANIZATION_DOMAINS_MAX:
                raise TooManyOrganizationDomains(limits.ORGANIZATION_DOMAINS_MAX)
            moment = now()
            row = OrganizationDomain.objects.create(
                organization_id=principal.organization_id,
                domain=name,
                token=secrets.token_hex(20),
                pending_since=moment,
                pending_expires_at=moment + limits.DOMAIN_CLAIM_WINDOW,
                next_check_at=moment,
                created_at=moment,
            )
            nudge("identities.check_domain", row.pk)
            _record(row, AuditAction.ORGANIZATION_DOMAIN_CLAIMED)
    except IntegrityError:
        # Two claims at once: the other one made it.
        return DomainClaim(rows.get(domain=name), is_new=False)
    return DomainClaim(row, is_new=True)


def _restart(row: OrganizationDomain) -> OrganizationDomain:
    after = next_state(row.status, ClaimEvent.RESTARTED)
    if after is not row.status:
        moment = now()
        row.state = after.value
        row.pending_since, row.pending_expires_at = moment, moment + limits.DOMAIN_CLAIM_WINDOW
        row.next_check_at = moment
        row.save()
        nudge("identities.check_domain", row.pk)
        _record(row, AuditAction.ORGANIZATION_DOMAIN_CLAIMED)
    return row


def verify_claim(principal: Principal, row: OrganizationDomain) -> None:
    """Look at DNS now (up to 3 seconds), whatever comes out; the row says it afterwards.

    Raises RoleTooLow 403, OrganizationDomainReleased 409, RateLimited 429 past 10 looks a minute and organization.
    """
    require_manager(principal)
    if row.status is ClaimState.RELEASED:
        raise OrganizationDomainReleased(row.domain)
    ratelimit.hit("organization-domain-checks", row.organization_id, limits.DOMAIN_CHECKS_PER_MINUTE)
    check_claim(row.pk, is_forced=True)


def release_claim(principal: Principal, row: OrganizationDomain) -> None:
    """Give a domain up at once; agents that show it show none from now on. Twice is once.

    Raises RoleTooLow 403, OrganizationDomainNotFound 404.
    """
    require_manager(principal)
    with transaction.atomic():
        locked = OrganizationDomain.objects.select_for_update().filter(pk=row.pk).first()
        if locked is None:
            raise OrganizationDomainNotFound
        if locked.status is ClaimState.RELEASED:
            return
        locked.state = next_state(locked.status, ClaimEvent.RELEASED).value
        locked.next_check_at = locked.checking_until = None
        locked.released_at = now()
        locked.save()
        DomainAffiliation.objects.filter(claim=locked).delete()
        _record(locked, AuditAction.ORGANIZATION_DOMAIN_RELEASED)


def purge_released_claims() -> int:
    """Forget claims that were given up a month ago; returns how many rows."""
    late = now() - limits.DOMAIN_RELEASED_RETENTION
    return OrganizationDomain.objects.filter(released_at__lte=late).delete()[0]


def _record(row: OrganizationDomain, action: AuditAction) -> None:
    record_audit(row.organization_id, action, Target(row.pk, row.domain))
