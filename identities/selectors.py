"""Reads. Every one starts from the principal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from common.errors import Forbidden
from common.principal import Principal, Profile, Scope
from identities.channels import channels
from identities.errors import ApiKeyNotFound, AvatarNotFound, BadCredential, IdentityNotFound, RoleTooLow
from identities.handles import normalize_handle
from identities.models import AgentIdentity, ApiKey, Avatar, HandleClaim, IdentityAccess, Organization, SigningKey, User


@dataclass(frozen=True, slots=True)
class IdentityDetail:
    """An identity with its channel objects by `Channel.key`; None for a channel that it has not.

    `access`: who else may look at it, for callers who manage that.
    """

    identity: AgentIdentity
    channels: Mapping[str, dict[str, Any] | None]
    access: Sequence[IdentityAccess] = ()


def readable_identities(principal: Principal) -> QuerySet[AgentIdentity]:
    """What the caller may look at: besides its own, a claimed agent sees identities that were opened to it.

    Everything else (mail, keys, changes) goes by `visible_to`.
    """
    if principal.scope is not Scope.AGENT:
        return AgentIdentity.objects.visible_to(principal)
    opened = IdentityAccess.objects.filter(target=OuterRef("pk")).filter(
        Q(viewer_id=principal.identity_id) | Q(viewer__isnull=True)
    )
    rows = AgentIdentity.objects.alive().filter(organization_id=principal.organization_id)
    return rows.filter(Q(pk=principal.identity_id) | Exists(opened))


def list_identities(principal: Principal) -> list[AgentIdentity]:
    """Newest first; agent keys see themselves and what was opened to them."""
    return list(readable_identities(principal).select_related("signing_key", "avatar").order_by("-created_at", "-pk"))


def read_identity(principal: Principal, handle: str) -> AgentIdentity:
    """By handle, to be looked at only. Raises IdentityNotFound."""
    return _named(readable_identities(principal), handle)


def get_identity(principal: Principal, handle: str) -> AgentIdentity:
    """By handle, `@` allowed; for agent keys only their own. Raises IdentityNotFound."""
    return _named(AgentIdentity.objects.visible_to(principal), handle)


def get_identity_by_id(principal: Principal, row_id: UUID) -> AgentIdentity:
    """By id; for agent keys only their own. Raises IdentityNotFound."""
    row = AgentIdentity.objects.visible_to(principal).filter(pk=row_id).first()
    if row is None:
        raise IdentityNotFound
    return row


def _named(rows: QuerySet[AgentIdentity], handle: str) -> AgentIdentity:
    name = normalize_handle(handle)
    # PostgreSQL cannot even be asked for a text with NUL.
    row = None if "\x00" in name else rows.select_related("signing_key", "avatar").filter(agent_handle=name).first()
    if row is None:
        raise IdentityNotFound
    return row


def get_managed_identity(principal: Principal, handle: str) -> AgentIdentity:
    """As `read_identity`, for a caller about to change it: people need the admin role, agents change their own.

    Raises Forbidden.
    """
    row = read_identity(principal, handle)
    if principal.is_agent and row.pk != principal.identity_id:
        raise Forbidden("An agent key changes only its own identity. Use an admin key of the organization.")
    if not (principal.manages_organization or principal.is_agent):
        raise RoleTooLow
    return row


def get_own_identity(principal: Principal) -> AgentIdentity:
    """The identity of an agent key. Raises IdentityNotFound when it was deleted meanwhile."""
    assert principal.identity_id is not None
    row = AgentIdentity.objects.visible_to(principal).filter(pk=principal.identity_id).first()
    if row is None:
        raise IdentityNotFound
    return row


def describe_identities(principal: Principal, identities: Sequence[AgentIdentity]) -> list[IdentityDetail]:
    """Each identity with its channel objects; one query a channel and one for access, however many identities."""
    embedded = {channel.key: channel.embed(identities) for channel in channels() if channel.key} if identities else {}
    access = _access_of(identities) if principal.sees_organization and identities else {}
    return [
        IdentityDetail(
            identity, {key: objects.get(identity.pk) for key, objects in embedded.items()}, access.get(identity.pk, [])
        )
        for identity in identities
    ]


def describe_identity(principal: Principal, identity: AgentIdentity) -> IdentityDetail:
    """One identity with its channel objects."""
    return describe_identities(principal, [identity])[0]


def get_avatar(identity: AgentIdentity) -> Avatar:
    """The picture of an identity. Raises AvatarNotFound."""
    row = Avatar.objects.filter(identity=identity).first()
    if row is None:
        raise AvatarNotFound
    return row


def avatar_keys_among(keys: Collection[str]) -> set[str]:
    """Those of the blobs that are avatars, so that the sweep leaves them alone."""
    return set(Avatar.objects.filter(blob_key__in=keys).values_list("blob_key", flat=True))


def list_access(identity: AgentIdentity) -> list[IdentityAccess]:
    """Who else may look at an identity, in the order of granting."""
    return _access_of([identity]).get(identity.pk, [])


def _access_of(identities: Sequence[AgentIdentity]) -> dict[UUID, list[IdentityAccess]]:
    found: dict[UUID, list[IdentityAccess]] = {}
    for row in IdentityAccess.objects.filter(target__in=[identity.pk for identity in identities]):
        found.setdefault(row.target_id, []).append(row)
    return found


def holds_global_name(identity: AgentIdentity) -> bool:
    """Whether the handle is the identity's own in the global namespace (seed handles may not be)."""
    return HandleClaim.objects.filter(pk=identity.agent_handle, identity=identity, released_at__isnull=True).exists()


def list_api_keys(principal: Principal) -> list[ApiKey]:
    """Keys of the organization, newest first."""
    return list(ApiKey.objects.visible_to(principal).order_by("-created_at", "-pk"))


def get_own_key(principal: Principal) -> ApiKey:
    """The key a caller came with. Raises ApiKeyNotFound when it was removed meanwhile."""
    row = ApiKey.objects.filter(pk=principal.key_id).first()
    if row is None:
        raise ApiKeyNotFound
    return row


def get_own_user(principal: Principal) -> User:
    """The person of a session. Raises BadCredential when the account was removed meanwhile."""
    row = User.objects.filter(pk=principal.user_id).first()
    if row is None:
        raise BadCredential
    return row


def signing_key_created_at(principal: Principal) -> datetime | None:
    """When the caller's key was made: an agent's own, else the newest of the organization and its identities."""
    rows = SigningKey.objects.filter(organization_id=principal.organization_id)
    if principal.is_agent:
        rows = rows.filter(identity_id=principal.identity_id)
    return rows.order_by("-created_at").values_list("created_at", flat=True).first()


def organization_profile(principal: Principal) -> Profile:
    """The organization's compatibility setting."""
    value = Organization.objects.filter(pk=principal.organization_id).values_list("compat_profile", flat=True).first()
    return Profile.SEED if value == Profile.SEED else Profile.MODERN
