"""Reads. Every one starts from the principal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.principal import Principal, Profile
from identities.channels import channels
from identities.errors import ApiKeyNotFound, BadCredential, IdentityNotFound, RoleTooLow
from identities.handles import normalize_handle
from identities.models import AgentIdentity, ApiKey, HandleClaim, Organization, SigningKey, User


@dataclass(frozen=True, slots=True)
class IdentityDetail:
    """An identity with its channel objects by `Channel.key`; None for a channel that it has not."""

    identity: AgentIdentity
    channels: Mapping[str, dict[str, Any] | None]


def list_identities(principal: Principal) -> list[AgentIdentity]:
    """Newest first; agent keys see themselves."""
    return list(
        AgentIdentity.objects.visible_to(principal).select_related("signing_key").order_by("-created_at", "-pk")
    )


def get_identity(principal: Principal, handle: str) -> AgentIdentity:
    """By handle, `@` allowed. Raises IdentityNotFound."""
    name = normalize_handle(handle)
    rows = AgentIdentity.objects.visible_to(principal).select_related("signing_key")
    # PostgreSQL cannot even be asked for a text with NUL.
    row = None if "\x00" in name else rows.filter(agent_handle=name).first()
    if row is None:
        raise IdentityNotFound
    return row


def get_managed_identity(principal: Principal, handle: str) -> AgentIdentity:
    """As `get_identity`, for a caller about to change it: people need the admin role. Raises Forbidden."""
    row = get_identity(principal, handle)
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


def describe_identities(identities: Sequence[AgentIdentity]) -> list[IdentityDetail]:
    """Each identity with its channel objects; one query a channel, however many identities."""
    embedded = {channel.key: channel.embed(identities) for channel in channels() if channel.key} if identities else {}
    return [
        IdentityDetail(identity, {key: objects.get(identity.pk) for key, objects in embedded.items()})
        for identity in identities
    ]


def describe_identity(identity: AgentIdentity) -> IdentityDetail:
    """One identity with its channel objects."""
    return describe_identities([identity])[0]


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
