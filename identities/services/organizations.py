"""Create and remove organizations with their first owner."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.db import transaction

from common.clock import now
from identities.enums import CreatorType, Role
from identities.models import ApiKey, Membership, Organization, User
from identities.services.api_keys import mint_api_key
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
        organization = membership.organization
        key_text = None
        if new_key or not ApiKey.objects.filter(organization=organization, scoped_identity__isnull=True).exists():
            key_text = mint_api_key(
                organization_id=organization.pk,
                label="bootstrap",
                created_by=user.pk,
                creator_type=CreatorType.HUMAN,
            )[1]
    return Bootstrap(organization, user, password, key_text)


def delete_organization(organization_id: str, *, free_names_at_once: bool = False) -> None:
    """Remove an organization and everything in it. Unknown ids are fine, so a clean-up may be repeated."""
    with transaction.atomic():
        release_organization_handles(organization_id, at_once=free_names_at_once)
        Organization.objects.filter(pk=organization_id).delete()
