"""Create and remove organizations with their first owner."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from common.clock import now
from common.principal import Principal, Profile
from identities.enums import AuditAction, CreatorType, Role
from identities.errors import ConfirmationWrong, OrganizationNotFound, OwnersOnly
from identities.models import ApiKey, Membership, Organization, User
from identities.roles import require_manager
from identities.services.api_keys import mint_api_key, record_key
from identities.services.audit import Detail, Target, record_audit
from identities.services.handles import release_organization_handles


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What `bootstrap_organization` found or made; password and api_key only when they were just created."""

    organization: Organization
    user: User
    password: str | None
    api_key: str | None


def new_password() -> str:
    """A random password of about 107 bits."""
    return secrets.token_urlsafe(13)


def bootstrap_organization(email: str, name: str, *, new_key: bool = False) -> Bootstrap:
    """An owner, an organization and an admin key, created when absent. Safe to repeat."""
    with transaction.atomic():
        password = None
        user = User.objects.filter(email__iexact=email.strip()).first()
        if user is None:
            password = new_password()
            user = User.objects.create_user(email, password, is_staff=True, is_superuser=True, email_verified_at=now())
        membership = (
            Membership.objects.select_related("organization")
            .filter(user=user, organization__name=name)
            .order_by("created_at")
            .first()
        )
        if membership is None:
            membership = Membership.objects.create(
                user=user, organization=Organization.objects.create(name=name), role=Role.OWNER.value
            )
            record_organization(membership.organization, AuditAction.ORGANIZATION_CREATED)
        organization = membership.organization
        key_text = None
        if new_key or not ApiKey.objects.filter(organization=organization, scoped_identity__isnull=True).exists():
            key, key_text = mint_api_key(
                organization_id=organization.pk,
                label="bootstrap",
                created_by=user.pk,
                creator_type=CreatorType.HUMAN,
            )
            record_key(key, AuditAction.KEY_CREATED)
    return Bootstrap(organization, user, password, key_text)


def found_organization(user: User, name: str) -> Organization:
    """A new organization with this person as its owner."""
    with transaction.atomic():
        organization = Organization.objects.create(name=name)
        Membership.objects.create(user=user, organization=organization, role=Role.OWNER.value)
        record_organization(organization, AuditAction.ORGANIZATION_CREATED)
    return organization


def record_organization(
    organization: Organization, action: AuditAction, details: Mapping[str, Detail] | None = None
) -> None:
    """Write an act on an organization to its audit log, inside the caller's transaction."""
    record_audit(organization.pk, action, Target(organization.pk, organization.name), details)


@dataclass(frozen=True, slots=True)
class OrganizationChanges:
    """What owners and admins change of their organization."""

    name: str
    compat_profile: Profile


def update_organization(principal: Principal, changes: OrganizationChanges) -> Organization:
    """Write the settings. Raises RoleTooLow 403, OrganizationNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        row = _lock(principal)
        wanted = {"name": changes.name, "compat_profile": changes.compat_profile.value}
        changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
        if changed:
            details: dict[str, Detail] = {f"previous_{name}": getattr(row, name) for name in changed}
            for name, value in changed.items():
                setattr(row, name, value)
            row.save()
            record_organization(row, AuditAction.ORGANIZATION_UPDATED, {**changed, **details})
    return row


def remove_own_organization(principal: Principal, confirmation: str) -> None:
    """Delete the caller's organization with everything in it. `confirmation` is its name.

    Raises OwnersOnly 403, OrganizationNotFound 404, ConfirmationWrong 422.
    """
    if principal.role != Role.OWNER:
        raise OwnersOnly
    with transaction.atomic():
        row = _lock(principal)
        if confirmation.strip() != row.name.strip():
            raise ConfirmationWrong
        delete_organization(row.pk)


def _lock(principal: Principal) -> Organization:
    row = Organization.objects.select_for_update().filter(pk=principal.organization_id).first()
    if row is None:
        raise OrganizationNotFound
    return row


def delete_organization(organization_id: str, *, free_names_at_once: bool = False) -> None:
    """Remove an organization and everything in it. Unknown ids are fine, so a clean-up may be repeated."""
    with transaction.atomic():
        row = Organization.objects.select_for_update().filter(pk=organization_id).first()
        if row is None:
            return
        release_organization_handles(organization_id, at_once=free_names_at_once)
        Organization.objects.filter(pk=organization_id).delete()
        if not row.is_provisional:
            # Its log stays. Provisional ones have none: anybody can make them by signing an agent up.
            record_organization(row, AuditAction.ORGANIZATION_DELETED)
