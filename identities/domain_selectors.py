"""Reads of domains that organizations claim. Every one starts from the principal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q

from common.api.pagination import Cursor
from common.ids import parse_uuid
from common.principal import Principal
from identities.domain_claims import ClaimState
from identities.errors import OrganizationDomainNotFound
from identities.models import AgentIdentity, DomainAffiliation, OrganizationDomain
from identities.models.organization_domain import ID_PREFIX


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """One page, and where the next one starts."""

    items: list[OrganizationDomain]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PublishedDomain:
    """What is shown next to an agent. `verifier` is this server, by its name."""

    domain: str
    verifier: str
    last_success_at: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Affiliation:
    """What was chosen for an agent, and what of it is shown."""

    domain_claim_id: str | None = None
    domain: str | None = None
    affiliation: PublishedDomain | None = None


def list_claims(principal: Principal, *, limit: int, cursor: str | None) -> ClaimPage:
    """Newest first, without those that were given up. Raises Invalid (422) for a cursor that is not from here."""
    rows = OrganizationDomain.objects.visible_to(principal).exclude(state=ClaimState.RELEASED.value).with_conflicts()
    if cursor:
        start = Cursor.decode(cursor)
        rows = rows.filter(Q(created_at__lt=start.at) | Q(created_at=start.at, pk__lt=start.id))
    found = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    shown = found[:limit]
    more = Cursor(shown[-1].created_at, shown[-1].pk).encode() if len(found) > limit else None
    return ClaimPage(shown, more)


def get_claim(principal: Principal, claim_id: str) -> OrganizationDomain:
    """By `OrganizationDomainClaim_<uuid>`, released ones for a while longer. Raises OrganizationDomainNotFound."""
    row_id = parse_uuid(claim_id.removeprefix(ID_PREFIX)) if claim_id.startswith(ID_PREFIX) else None
    rows = OrganizationDomain.objects.visible_to(principal).with_conflicts()
    row = rows.filter(pk=row_id).first() if row_id is not None else None
    if row is None:
        raise OrganizationDomainNotFound
    return row


def get_affiliation(identity: AgentIdentity) -> Affiliation:
    """What an agent shows; all empty when nothing was chosen for it."""
    row = DomainAffiliation.objects.select_related("claim").filter(identity=identity).first()
    if row is None:
        return Affiliation()
    return Affiliation(row.claim.public_id, row.claim.domain, published_domain(row.claim))


def published_domain(claim: OrganizationDomain) -> PublishedDomain | None:
    """None while the claim is not proven."""
    if not claim.is_published or claim.last_success_at is None or claim.valid_until is None:
        return None
    return PublishedDomain(claim.domain, _verifier(), claim.last_success_at, claim.valid_until)


def _verifier() -> str:
    return urlsplit(settings.PUBLIC_URL).netloc
