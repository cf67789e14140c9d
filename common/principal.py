"""Who is calling. Every selector starts from a Principal, so tenant isolation is not a thing to remember."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """What a credential may do (contract README section 4)."""

    ADMIN = "admin"
    AGENT = "agent"
    UNCLAIMED = "unclaimed"
    SESSION = "session"


class Profile(StrEnum):
    """Which client generation a request follows where one route has two meanings (contract README section 3)."""

    MODERN = "modern"
    SEED = "seed"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller inside one organization (or, for a console session, possibly none yet)."""

    scope: Scope
    organization_id: str | None
    identity_id: UUID | None = None
    key_id: str | None = None
    user_id: str | None = None
    role: str | None = None
    # What the operator allows this credential; None: what the server allows any.
    requests_per_minute: int | None = None
    # Which bearer token of the person it was.
    session_token_id: UUID | None = None

    @property
    def is_agent(self) -> bool:
        """An identity-scoped key, claimed or not."""
        return self.scope in (Scope.AGENT, Scope.UNCLAIMED)

    @property
    def sees_organization(self) -> bool:
        """An admin key, or a console session of a member."""
        return self.scope in (Scope.ADMIN, Scope.SESSION) and self.organization_id is not None

    @property
    def manages_organization(self) -> bool:
        """May change what belongs to the organization: admin keys, owners and admins in the console."""
        return self.scope is Scope.ADMIN or (self.scope is Scope.SESSION and self.role in ("owner", "admin"))
