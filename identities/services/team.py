"""Who belongs to an organization: roles, removal, leaving. Invitations are in invitations.py.

Every change locks the organization first, so that two owners who leave at once do not both find the other still there.
"""

from __future__ import annotations

from django.db import transaction

from common.principal import Principal, Scope
from identities.enums import AuditAction, Role
from identities.errors import LastOwner, MemberNotFound, OwnersOnly
from identities.models import Membership, Organization
from identities.roles import can_grant, can_manage, require_manager
from identities.services.audit import Detail, Target, record_audit


def role_of(principal: Principal) -> Role:
    """What the caller counts as among people; an admin key is no owner."""
    if principal.scope is Scope.ADMIN:
        return Role.ADMIN
    return Role(principal.role) if principal.role is not None else Role.MEMBER


def change_role(principal: Principal, user_id: str, role: Role) -> Membership:
    """Give a member another role. Raises MemberNotFound 404, RoleTooLow and OwnersOnly 403, LastOwner 409."""
    with transaction.atomic():
        row = _managed_member(principal, user_id)
        if not can_grant(role_of(principal), role):
            raise OwnersOnly
        if row.role == role:
            return row
        if row.role == Role.OWNER:
            _refuse_last_owner(row)
        before, row.role = row.role, role.value
        row.save(update_fields=["role"])
        record_member(row, AuditAction.MEMBER_ROLE_CHANGED, {"previous_role": before, "role": row.role})
    return row


def remove_member(principal: Principal, user_id: str) -> None:
    """Take somebody out of the organization; their sessions and tokens reach nothing of it from now on.

    Raises MemberNotFound 404, RoleTooLow and OwnersOnly 403, LastOwner 409.
    """
    with transaction.atomic():
        row = _managed_member(principal, user_id)
        _refuse_last_owner(row)
        record_member(row, AuditAction.MEMBER_REMOVED, {"role": row.role})
        row.delete()


def leave_organization(principal: Principal) -> None:
    """Go. Raises MemberNotFound 404, LastOwner 409."""
    with transaction.atomic():
        lock_organization(principal)
        row = _member(principal, principal.user_id or "")
        _refuse_last_owner(row)
        record_member(row, AuditAction.MEMBER_LEFT, {"role": row.role})
        row.delete()


def record_member(row: Membership, action: AuditAction, details: dict[str, Detail]) -> None:
    """Write what happened to a membership to the audit log, inside the caller's transaction."""
    record_audit(row.organization_id, action, Target(row.user_id, row.user.email), details)


def lock_organization(principal: Principal) -> Organization:
    """The caller's organization, locked until the transaction ends. Raises MemberNotFound when it is gone."""
    rows = Organization.objects.select_for_update(no_key=True)
    row = rows.filter(pk=principal.organization_id).first()
    if row is None:
        raise MemberNotFound
    return row


def _managed_member(principal: Principal, user_id: str) -> Membership:
    require_manager(principal)
    lock_organization(principal)
    row = _member(principal, user_id)
    if not can_manage(role_of(principal), Role(row.role)):
        raise OwnersOnly
    return row


def _member(principal: Principal, user_id: str) -> Membership:
    rows = Membership.objects.filter(organization_id=principal.organization_id, user_id=user_id)
    row = None if "\x00" in user_id else rows.select_related("user").first()
    if row is None:
        raise MemberNotFound
    return row


def _refuse_last_owner(row: Membership) -> None:
    if row.role != Role.OWNER:
        return
    owners = Membership.objects.filter(organization_id=row.organization_id, role=Role.OWNER.value)
    if not owners.exclude(pk=row.pk).exists():
        raise LastOwner
