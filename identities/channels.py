"""How other apps take part in the life of an identity without being imported from here.

`settings.IDENTITY_CHANNELS` lists dotted paths of Channel classes. Creating, renaming, moving and deleting an identity
call them inside its transaction, so all of it happens or nothing does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from common.principal import Profile
from common.unset import UNSET, Unset
from identities.enums import TlsMode
from identities.models import AgentIdentity


@dataclass(frozen=True, slots=True)
class MailboxOptions:
    """The nested `mailbox` of identity create."""

    email_local_part: str | None = None
    # Absent: the organization's default domain; None: the platform domain; text: a verified domain of its own.
    sending_domain: str | Unset | None = UNSET
    display_name: str | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class TunnelOptions:
    """The nested `tunnel` of identity create."""

    tls_mode: str = TlsMode.EDGE.value


EVERY_SECRET: Final = "all"  # noqa: S105  (no password)
# Secrets of the organization that a new identity may read.
InitialSecrets = tuple[UUID, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class Provision:
    """What to create beside a new identity."""

    profile: Profile
    mailbox: MailboxOptions | None
    tunnel: TunnelOptions | None
    # False only in the seed profile, when somebody else holds the handle in the global namespace.
    owns_global_name: bool
    vault_secret_ids: InitialSecrets = ()


class Channel:
    """Base with empty answers; `key` is the channel's field in the identity object, or empty when it has none."""

    key: str = ""

    def provision(self, identity: AgentIdentity, request: Provision) -> None:
        """Create the channel of a new identity. Raises DomainError to refuse the whole creation."""

    def embed(self, identities: Sequence[AgentIdentity]) -> dict[UUID, dict[str, Any]]:
        """The channel object of each identity that has one, by identity id, in one query."""
        return {}

    def renamed(self, identity: AgentIdentity) -> None:
        """The handle has changed."""

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        """The identity has moved to another organization (`identity.organization_id`): its rows follow."""

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        """The identity is being deleted: modern removes its channels, seed unlinks them."""

    def suspended(self, organization_id: str) -> None:
        """The organization is being suspended: nothing of it goes out from now on."""

    def resumed(self, organization_id: str) -> None:
        """The organization is being resumed: what waited goes out."""


@lru_cache(maxsize=1)
def channels() -> tuple[Channel, ...]:
    """The configured channels, in order."""
    return tuple(import_string(path)() for path in settings.IDENTITY_CHANNELS)
