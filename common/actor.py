"""Who acts, for the audit log. A door binds the caller it has authenticated; outside of one the server acts itself.

Permissions never depend on this: services are handed a Principal for those.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from common.principal import Principal, Scope


class ActorKind(StrEnum):
    """What kind of somebody acted."""

    USER = "user"
    KEY = "key"
    AGENT = "agent"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`label` is filled in when it is known already; else the audit log looks it up by the id."""

    kind: ActorKind
    id: str = ""
    label: str = ""


SYSTEM = Actor(ActorKind.SYSTEM)
_current: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def actor_of(principal: Principal) -> Actor:
    """The actor that a caller is."""
    if principal.scope is Scope.SESSION:
        return Actor(ActorKind.USER, principal.user_id or "")
    if principal.is_agent:
        return Actor(ActorKind.AGENT, str(principal.identity_id))
    return Actor(ActorKind.KEY, principal.key_id or "")


def bind_actor(actor: Actor) -> None:
    """From now on, until the request ends, this one acts."""
    _current.set(actor)


def unbind_actor() -> None:
    """The request is over."""
    _current.set(SYSTEM)


def current_actor() -> Actor:
    """Who acts now."""
    return _current.get()
