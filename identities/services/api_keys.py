"""Mint, check and revoke API keys (contract README section 4, identities.md section 12)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.errors import Forbidden
from common.lanes import leave_quick_lane
from common.prepared import Prepared
from common.principal import Principal, Scope
from identities import limits
from identities.enums import AuditAction, ClaimStatus, CreatorType
from identities.errors import ApiKeyNotFound, BadCredential, IdentityNotFound, OrganizationSuspended
from identities.models import AgentIdentity, ApiKey
from identities.roles import require_manager
from identities.services.audit import Target, record_audit

KEY_PREFIX = "ApiKey_"
_KEY_ID_CHARS = len(KEY_PREFIX) + 36
_MAX_KEY_CHARS = 200


def hash_secret(secret: str) -> bytes:
    """What is stored of the secret part of a key."""
    # The secret has 256 random bits: a slow password hash would add cost to every request and no safety.
    return hashlib.sha256(secret.encode()).digest()


def mint_api_key(
    *,
    organization_id: str,
    label: str,
    created_by: str,
    creator_type: CreatorType = CreatorType.HUMAN,
    identity: AgentIdentity | None = None,
    description: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its full text, which is not stored and cannot be shown again."""
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        id=f"{KEY_PREFIX}{uuid.uuid4()}",
        organization_id=organization_id,
        scoped_identity=identity,
        secret_hash=hash_secret(secret),
        last4=secret[-4:],
        label=label,
        description=description,
        created_by=created_by,
        creator_type=creator_type.value,
        expires_at=expires_at,
    )
    return key, f"{key.id}.{secret}"


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """The body of API key create."""

    label: str
    description: str | None = None
    scoped_identity_id: uuid.UUID | None = None


def create_api_key(principal: Principal, new: NewApiKey) -> tuple[ApiKey, str]:
    """A key on request of an API caller: admin keys mint agent keys only, a console session mints both."""
    assert principal.organization_id is not None
    identity = None
    if new.scoped_identity_id is not None:
        identity = AgentIdentity.objects.visible_to(principal).filter(pk=new.scoped_identity_id).first()
        if identity is None:
            raise IdentityNotFound
    elif principal.scope is not Scope.SESSION:
        raise Forbidden("An admin key can only mint agent keys. Send scoped_identity_id, or use the console.")
    require_manager(principal)
    with transaction.atomic():
        key, text = mint_api_key(
            organization_id=principal.organization_id,
            label=new.label,
            description=new.description,
            identity=identity,
            created_by=_person_behind(principal),
        )
        record_key(key, AuditAction.KEY_CREATED)
    return key, text


def record_key(key: ApiKey, action: AuditAction) -> None:
    """Write an act on a key to the audit log, inside the caller's transaction."""
    scope = f"@{key.scoped_identity.agent_handle}" if key.scoped_identity is not None else "organization"
    target = Target(key.pk, f"{key.display_prefix} {key.label}")
    record_audit(key.organization_id, action, target, {"scope": scope})


def _person_behind(principal: Principal) -> str:
    """The user of a session, or the user who made the admin key that is calling."""
    if principal.user_id is not None:
        return principal.user_id
    return ApiKey.objects.filter(pk=principal.key_id).values_list("created_by", flat=True).first() or ""


def revoke_api_key(principal: Principal, key_id: str) -> None:
    """Stop a key at once. Raises ApiKeyNotFound when it is not visible; revoking twice is fine."""
    rows = ApiKey.objects.visible_to(principal).filter(pk=key_id).select_related("scoped_identity")
    # PostgreSQL cannot even be asked for a text with NUL.
    key = None if "\x00" in key_id else rows.first()
    if key is None:
        raise ApiKeyNotFound
    require_manager(principal)
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now(), updated_at=now()):
            record_key(key, AuditAction.KEY_REVOKED)


class _StoredKey(NamedTuple):
    """What of a key decides; every request reads it."""

    organization_id: str
    secret_hash: bytes
    revoked_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    identity_id: uuid.UUID | None
    claim_status: str | None
    identity_deleted_at: datetime | None
    suspended_at: datetime | None
    suspension_reason: str
    max_requests: int | None


_KEY_BY_ID = Prepared(
    lambda key_id: ApiKey.objects.filter(pk=key_id).values_list(
        "organization_id",
        "secret_hash",
        "revoked_at",
        "expires_at",
        "last_used_at",
        "scoped_identity_id",
        "scoped_identity__claim_status",
        "scoped_identity__deleted_at",
        "organization__suspended_at",
        "organization__suspension_reason",
        "organization__max_key_requests",
    )[:1],
    str,
)


def authenticate_api_key(text: str) -> Principal:
    """The caller of a key. One query.

    Raises BadCredential 401 for anything that is not a live key, OrganizationSuspended 403.
    """
    key_id, _, secret = text.partition(".")
    if len(key_id) != _KEY_ID_CHARS or len(text) > _MAX_KEY_CHARS or not (text.isascii() and text.isprintable()):
        raise BadCredential
    key = next((_StoredKey(*row) for row in _KEY_BY_ID.tuples(key_id)), None)
    expected = bytes(key.secret_hash) if key is not None else bytes(32)
    if not hmac.compare_digest(hash_secret(secret), expected) or key is None:
        raise BadCredential
    moment = now()
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= moment):
        raise BadCredential
    if key.identity_deleted_at is not None:
        raise BadCredential
    if key.suspended_at is not None:
        raise OrganizationSuspended(key.suspension_reason)
    stale = moment - limits.LAST_USED_RESOLUTION
    if key.last_used_at is None or key.last_used_at < stale:
        _touch(key_id, moment, stale)
    return Principal(
        scope=_scope(key),
        organization_id=key.organization_id,
        identity_id=key.identity_id,
        key_id=key_id,
        requests_per_minute=key.max_requests,
    )


def _scope(key: _StoredKey) -> Scope:
    if key.identity_id is None:
        return Scope.ADMIN
    return Scope.AGENT if key.claim_status == ClaimStatus.CLAIMED else Scope.UNCLAIMED


def _touch(key_id: str, moment: datetime, stale: datetime) -> None:
    """Record the use, at most once a minute: a write per request would serialize every reader of SQLite."""
    leave_quick_lane()
    ApiKey.objects.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lt=stale), pk=key_id).update(
        last_used_at=moment
    )
