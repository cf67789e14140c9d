"""Who is calling, as whoami tells it (contract identities.md section 13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.principal import Principal, Scope
from identities.enums import Role
from identities.selectors import get_own_key, get_own_user

_KEY_SUBTYPES = {
    Scope.ADMIN: "api_key.admin_scoped",
    Scope.AGENT: "api_key.agent_scoped.claimed",
    Scope.UNCLAIMED: "api_key.agent_scoped.unclaimed",
}
_SESSION_SUBTYPE = "session"


@dataclass(frozen=True, slots=True)
class KeyCaller:
    """The holder of an API key. A2A clients compare `scope` exactly."""

    auth_subtype: str
    scope: str
    organization_id: str
    created_by: str
    creator_type: str
    key_id: str
    label: str
    description: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    auth_type: str = "api_key"


@dataclass(frozen=True, slots=True)
class SessionCaller:
    """A person in the console, possibly without an organization yet."""

    user_id: str
    email: str
    name: str | None
    organization_id: str | None
    org_role: str | None
    org_slug: str | None = None
    auth_type: str = "jwt"
    auth_subtype: str = _SESSION_SUBTYPE


def describe_caller(principal: Principal) -> KeyCaller | SessionCaller:
    """What the caller's credential says. Raises when key or account were removed meanwhile."""
    return _describe_session(principal) if principal.scope is Scope.SESSION else _describe_key(principal)


def _describe_key(principal: Principal) -> KeyCaller:
    key = get_own_key(principal)
    owner = f"agent_identity:{key.scoped_identity_id}" if key.scoped_identity_id else None
    return KeyCaller(
        auth_subtype=_KEY_SUBTYPES[principal.scope],
        scope=owner or f"organization:{key.organization_id}",
        organization_id=key.organization_id,
        created_by=key.created_by,
        creator_type=key.creator_type,
        key_id=key.id,
        label=key.label,
        description=key.description,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
    )


def _describe_session(principal: Principal) -> SessionCaller:
    user = get_own_user(principal)
    role = Role.ADMIN.value if principal.role == Role.OWNER else principal.role
    return SessionCaller(
        user_id=user.pk,
        email=user.email,
        name=user.name or None,
        organization_id=principal.organization_id,
        org_role=role,
    )
