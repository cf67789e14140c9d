"""What the page of the team shows."""

from __future__ import annotations

from dataclasses import dataclass

from console.forms import role_choices
from console.principals import Viewer
from identities.enums import Role
from identities.models import Invitation, Membership
from identities.roles import can_manage


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, and the roles that the viewer may give them (none: nothing may be changed)."""

    membership: Membership
    is_self: bool
    roles: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An open invitation."""

    invitation: Invitation
    can_revoke: bool


def list_team(viewer: Viewer) -> list[MemberRow]:
    """Members, oldest first. One query."""
    role = Role(viewer.role)
    rows = Membership.objects.filter(organization=viewer.organization).select_related("user")
    return [
        MemberRow(row, row.user_id == viewer.user.pk, role_choices(role) if can_manage(role, Role(row.role)) else [])
        for row in rows.order_by("created_at", "pk")
    ]


def list_invitations(viewer: Viewer) -> list[InvitationRow]:
    """Open invitations, newest first. One query."""
    role = Role(viewer.role)
    rows = Invitation.objects.visible_to(viewer.principal).open().select_related("invited_by")
    return [InvitationRow(row, can_manage(role, Role(row.role))) for row in rows.order_by("-sent_at", "-pk")]
