"""Webhook signing keys (contract identities.md section 11, webhooks.md section 5)."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.errors import Conflict
from common.principal import Principal
from common.sealed import seal, unseal
from identities.errors import RoleTooLow
from identities.models import AgentIdentity, SigningKey
from identities.selectors import get_own_identity

KEY_PREFIX = "whsec_"
_PURPOSE = "webhook-signing-key"


class OrganizationKeyRetired(Conflict):
    """Newer clients rotate the key of an identity, not of the organization."""

    def __init__(self) -> None:
        super().__init__("Signing keys belong to identities: use POST /api/v1/identities/{handle}/signing-key.")


def rotate_signing_key(*, organization_id: str, identity: AgentIdentity | None) -> tuple[str, datetime]:
    """Create or replace the key of an identity, or of the organization. The text is returned once, here."""
    secret = KEY_PREFIX + secrets.token_hex(32)
    moment = now()
    with transaction.atomic():
        SigningKey.objects.update_or_create(
            organization_id=organization_id,
            identity=identity,
            defaults={"sealed_secret": seal(_PURPOSE, secret.encode()), "created_at": moment},
        )
    return secret, moment


def rotate_callers_key(principal: Principal, *, knows_identity_keys: bool) -> tuple[str, datetime]:
    """The older route without a handle: an agent's own key, or the organization's for callers that know no other.

    Raises OrganizationKeyRetired for clients that could name the identity, RoleTooLow for members.
    """
    assert principal.organization_id is not None
    if principal.is_agent:
        return rotate_signing_key(organization_id=principal.organization_id, identity=get_own_identity(principal))
    if not principal.manages_organization:
        raise RoleTooLow
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
    """The secret that signs for an identity: its own, else the organization's, else None (unsigned)."""
    rows = SigningKey.objects.filter(
        Q(identity_id=identity_id) | Q(identity__isnull=True), organization_id=organization_id
    )
    by_owner = {row.identity_id: row for row in rows}
    row = by_owner.get(identity_id) or by_owner.get(None)
    return unseal(_PURPOSE, bytes(row.sealed_secret)).decode() if row is not None else None
