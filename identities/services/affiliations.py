"""Which proven domain an agent shows (contract identities.md section 17)."""

from __future__ import annotations

from django.db import transaction

from common.principal import Principal
from identities.domain_claims import ClaimState
from identities.enums import AuditAction
from identities.errors import (
    IdentityNotFound,
    OrganizationDomainNotFound,
    OrganizationDomainReleased,
)
from identities.models import AgentIdentity, DomainAffiliation, OrganizationDomain
from identities.roles import require_manager
from identities.services.audit import identity_target, record_audit


def choose_domain(principal: Principal, identity: AgentIdentity, claim: OrganizationDomain) -> None:
    """Show a domain next to the identity, in place of the one so far; nothing is shown while it is not proven.

    Raises RoleTooLow 403, IdentityNotFound and OrganizationDomainNotFound 404, OrganizationDomainReleased 409.
    """
    require_manager(principal)
    with transaction.atomic():
        _lock(principal, identity)
        # Locked, so that a claim that is being released does not keep an agent.
        row = OrganizationDomain.objects.visible_to(principal).select_for_update().filter(pk=claim.pk).first()
        if row is None:
            raise OrganizationDomainNotFound
        if row.status is ClaimState.RELEASED:
            raise OrganizationDomainReleased(row.domain)
        if DomainAffiliation.objects.filter(identity=identity, claim=row).exists():
            return
        DomainAffiliation.objects.update_or_create(identity=identity, defaults={"claim": row})
        target, details = identity_target(identity), {"domain": row.domain}
        record_audit(identity.organization_id, AuditAction.IDENTITY_AFFILIATED, target, details)


def remove_domain(principal: Principal, identity: AgentIdentity) -> None:
    """Show none. Twice is once. Raises RoleTooLow 403, IdentityNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        _lock(principal, identity)
        row = DomainAffiliation.objects.select_related("claim").filter(identity=identity).first()
        if row is None:
            return
        row.delete()
        target, details = identity_target(identity), {"domain": row.claim.domain}
        record_audit(identity.organization_id, AuditAction.IDENTITY_UNAFFILIATED, target, details)


def drop_affiliation(identity: AgentIdentity) -> None:
    """The identity is being deleted, or moves to an organization that has proven other domains."""
    DomainAffiliation.objects.filter(identity=identity).delete()


def _lock(principal: Principal, identity: AgentIdentity) -> None:
    """It is neither deleted nor moved until the end of the transaction."""
    rows = AgentIdentity.objects.visible_to(principal).select_for_update(no_key=True)
    if rows.filter(pk=identity.pk).first() is None:
        raise IdentityNotFound
