"""What callers may do in an organization, and people to each other. Pure.

Owners may do everything; admins manage admins and members but touch no owner and make none; members manage nobody.
"""

from __future__ import annotations

from common.principal import Principal
from identities.enums import Role
from identities.errors import RoleTooLow


def require_manager(principal: Principal) -> None:
    """Admin keys, owners and admins change what belongs to the organization. Raises RoleTooLow."""
    if not principal.manages_organization:
        raise RoleTooLow


def can_grant(actor: Role, role: Role) -> bool:
    """Whether a person of role `actor` may invite somebody as `role`, or give it to somebody."""
    return actor is Role.OWNER or (actor is Role.ADMIN and role is not Role.OWNER)


def can_manage(actor: Role, target: Role) -> bool:
    """Whether a person of role `actor` may change or remove somebody who has the role `target`."""
    return can_grant(actor, target)


def grantable(actor: Role) -> list[Role]:
    """The roles that a person of role `actor` may give, the least first."""
    return [role for role in (Role.MEMBER, Role.ADMIN, Role.OWNER) if can_grant(actor, role)]
