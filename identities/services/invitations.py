"""Invite people by mail; they accept with the link, signed in under the invited address."""

from __future__ import annotations

import hashlib
import secrets
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from common.clock import now
from common.principal import Principal
from common.ratelimit import hit_hourly
from identities import limits
from identities.enums import AuditAction, Role
from identities.errors import (
    AlreadyMember,
    InvitationExpired,
    InvitationForAnother,
    InvitationNotFound,
    OwnersOnly,
    TooManyInvitations,
)
from identities.models import Invitation, Membership, Organization, User
from identities.roles import can_grant, require_manager
from identities.services.audit import Target, record_audit
from identities.services.team import lock_organization, record_member, role_of

_TOKEN_MAX_CHARS = 100


def invite_person(principal: Principal, email: str, role: Role) -> Invitation:
    """Invite an address, or invite it again: the newest link is the one that works, for limits.INVITATION_LIFETIME.

    The mail is queued in the same transaction. Raises RoleTooLow and OwnersOnly 403, AlreadyMember and
    TooManyInvitations 409, RateLimited 429.
    """
    require_manager(principal)
    if not can_grant(role_of(principal), role):
        raise OwnersOnly
    assert principal.organization_id is not None
    hit_hourly("invitations", principal.organization_id, limits.INVITATIONS_PER_HOUR)
    email = email.strip().lower()
    token = secrets.token_urlsafe(32)
    moment = now()
    with transaction.atomic():
        organization = lock_organization(principal)
        if Membership.objects.filter(organization=organization, user__email=email).exists():
            raise AlreadyMember(email)
        waiting = Invitation.objects.open().filter(organization=organization)
        row = waiting.filter(email=email).first()
        if row is None:
            if waiting.count() >= limits.INVITATIONS_PER_ORGANIZATION:
                raise TooManyInvitations(limits.INVITATIONS_PER_ORGANIZATION)
            row = Invitation(organization=organization, email=email)
        elif not can_grant(role_of(principal), Role(row.role)):
            raise OwnersOnly  # an admin does not take back what an owner offered
        row.role, row.token_hash, row.sent_at = role.value, hash_token(token), moment
        row.expires_at = moment + limits.INVITATION_LIFETIME
        row.invited_by_id = principal.user_id
        row.save()
        _send_mail(row, token)
        _record(row, AuditAction.INVITATION_SENT)
    return row


def revoke_invitation(principal: Principal, invitation_id: UUID) -> None:
    """Take an invitation back; its link stops working. Raises RoleTooLow, OwnersOnly 403, InvitationNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        lock_organization(principal)
        row = Invitation.objects.visible_to(principal).open().filter(pk=invitation_id).first()
        if row is None:
            raise InvitationNotFound
        if not can_grant(role_of(principal), Role(row.role)):
            raise OwnersOnly
        row.revoked_at = now()
        row.save(update_fields=["revoked_at"])
        _record(row, AuditAction.INVITATION_REVOKED)


def find_invitation(token: str) -> Invitation:
    """The invitation of a link that still works. Raises InvitationNotFound 404, InvitationExpired 410."""
    rows = Invitation.objects.select_related("organization", "invited_by")
    row = rows.filter(token_hash=hash_token(token)).first() if len(token) <= _TOKEN_MAX_CHARS else None
    if row is None or row.revoked_at is not None:
        raise InvitationNotFound
    if row.accepted_at is not None or row.is_expired(now()):
        raise InvitationExpired
    return row


def accept_invitation(user: User, token: str) -> Membership:
    """Join, once. Who is a member already stays what they are, and the invitation is used up.

    Raises InvitationNotFound 404, InvitationExpired 410, InvitationForAnother 403.
    """
    organization_id = find_invitation(token).organization_id
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).filter(pk=organization_id).first()
        row = find_invitation(token)
        if user.email_verified_at is None or user.email.lower() != row.email:
            raise InvitationForAnother
        row.accepted_at = now()
        row.save(update_fields=["accepted_at"])
        membership, is_new = Membership.objects.get_or_create(
            user=user, organization=row.organization, defaults={"role": row.role}
        )
        if is_new:
            record_member(membership, AuditAction.MEMBER_JOINED, {"role": membership.role})
    return membership


def hash_token(token: str) -> bytes:
    """What is stored of a link. The token has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _record(row: Invitation, action: AuditAction) -> None:
    record_audit(row.organization_id, action, Target(row.pk, row.email), {"role": row.role})


def _send_mail(row: Invitation, token: str) -> None:
    inviter = row.invited_by
    context = {
        "organization": _one_line(row.organization.name),
        "inviter": _one_line(inviter.name or inviter.email) if inviter is not None else "",
        "role": row.role,
        "email": row.email,
        "link": f"{settings.PUBLIC_URL}/console/invitations/{token}",
        "days": limits.INVITATION_LIFETIME.days,
        "server": settings.PUBLIC_URL,
    }
    mail = EmailMultiAlternatives(
        subject=f"You are invited to {context['organization']}",
        body=render_to_string("identities/email/invitation.txt", context).strip() + "\n",
        to=[row.email],
        # RFC 3834: no vacation notices in answer, please.
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("identities/email/invitation.html", context), "text/html")
    mail.send()


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:80]
