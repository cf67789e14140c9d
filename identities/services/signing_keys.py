"""Webhook signing keys (contract identities.md section 11, webhooks.md section 5)."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.errors import Conflict
from common.principal import Principal
from common.sealed import seal, unseal
from identities import limits
from identities.enums import AuditAction
from identities.models import AgentIdentity, SigningKey
from identities.roles import require_manager
from identities.selectors import get_own_identity
from identities.services.audit import Target, identity_target, record_audit

log = structlog.get_logger(__name__)

KEY_PREFIX = "whsec_"
_PURPOSE = "webhook-signing-key"


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The key that signs (None: requests go out unsigned), and the one it replaced while that still counts."""

    current: str | None = None
    previous: str | None = None


class OrganizationKeyRetired(Conflict):
    """Newer clients rotate the key of an identity, not of the organization."""

    def __init__(self) -> None:
        super().__init__("Signing keys belong to identities: use POST /api/v1/identities/{handle}/signing-key.")


def rotate_signing_key(*, organization_id: str, identity: AgentIdentity | None) -> tuple[str, datetime]:
    """Create or replace the key of an identity, or of the organization. The text is returned once, here.

    A replaced key signs beside the new one for limits.SIGNING_KEY_OVERLAP, so that receivers can follow.
    """
    secret = KEY_PREFIX + secrets.token_hex(32)
    moment = now()
    sealed = seal(_PURPOSE, secret.encode())
    with transaction.atomic():
        row, is_new = SigningKey.objects.select_for_update().get_or_create(
            organization_id=organization_id,
            identity=identity,
            defaults={"sealed_secret": sealed, "created_at": moment},
        )
        if not is_new:
            row.previous_sealed_secret, row.previous_until = row.sealed_secret, moment + limits.SIGNING_KEY_OVERLAP
            row.sealed_secret, row.created_at = sealed, moment
            row.save()
        target = identity_target(identity) if identity is not None else Target(organization_id, "organization")
        record_audit(organization_id, AuditAction.SIGNING_KEY_ROTATED, target, {"is_first": is_new})
    return secret, moment


def rotate_callers_key(principal: Principal, *, knows_identity_keys: bool) -> tuple[str, datetime]:
    """The older route without a handle: an agent's own key, or the organization's for callers that know no other.

    Raises OrganizationKeyRetired for clients that could name the identity, RoleTooLow for members.
    """
    assert principal.organization_id is not None
    if principal.is_agent:
        return rotate_signing_key(organization_id=principal.organization_id, identity=get_own_identity(principal))
    require_manager(principal)
    if knows_identity_keys:
        raise OrganizationKeyRetired
    return rotate_signing_key(organization_id=principal.organization_id, identity=None)


def ensure_signing_key(identity: AgentIdentity) -> str | None:
    """Mint the first key of an identity and return it; None when it has one or an organization key signs for it."""
    existing = SigningKey.objects.filter(organization_id=identity.organization_id)
    if existing.filter(identity=identity).exists() or existing.filter(identity__isnull=True).exists():
        return None
    return rotate_signing_key(organization_id=identity.organization_id, identity=identity)[0]


def signing_secret(organization_id: str, identity_id: UUID | None) -> str | None:
    """The secret that signs for an identity: its own, else the organization's, else None (unsigned).

    Raises KeyError when it was sealed under another server key.
    """
    found = signing_secrets([(organization_id, identity_id)])
    return found[organization_id, identity_id].current


def signing_secrets(owners: Collection[tuple[str, UUID | None]]) -> dict[tuple[str, UUID | None], SigningSecrets]:
    """What signs for each (organization, identity). One query.

    An owner whose key was sealed under another server key is left out: sending unsigned would be worse than not at all.
    """
    organizations = {organization for organization, _ in owners}
    identities = {identity for _, identity in owners if identity is not None}
    rows = SigningKey.objects.filter(
        Q(identity_id__in=identities) | Q(identity__isnull=True), organization_id__in=organizations
    )
    by_owner = {(row.organization_id, row.identity_id): row for row in rows}
    found: dict[tuple[str, UUID | None], SigningSecrets] = {}
    moment = now()
    for owner in owners:
        row = by_owner.get(owner) or by_owner.get((owner[0], None))
        try:
            found[owner] = SigningSecrets() if row is None else _open(row, moment)
        except InvalidTag:
            log.error("signing_key.unreadable", organization=owner[0], identity=str(owner[1]))
    return found


def _open(row: SigningKey, moment: datetime) -> SigningSecrets:
    current = unseal(_PURPOSE, bytes(row.sealed_secret)).decode()
    if row.previous_sealed_secret is None or row.previous_until is None or row.previous_until <= moment:
        return SigningSecrets(current)
    return SigningSecrets(current, unseal(_PURPOSE, bytes(row.previous_sealed_secret)).decode())
