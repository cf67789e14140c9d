"""Who the other side of an event is (contract webhooks.md section 8).

Contacts belong to an app above this one, which names its resolver in `settings.WEBHOOK_CONTACT_RESOLVER`: the dotted
path of a function with the shape of `ContactResolver`. Without one, and whenever it fails, nobody is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

log = structlog.get_logger(__name__)


class PeerKind(StrEnum):
    """What a peer is known by."""

    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Peer:
    """An address or number on the other side, as one identity sees it. `value` is normalized (lower case, E.164)."""

    organization_id: str
    identity_id: UUID | None
    kind: PeerKind
    value: str


@dataclass(frozen=True, slots=True)
class KnownContact:
    """A contact that the identity may see. `memories` are the texts of active facts, newest first.

    `addresses` (e-mail addresses and numbers, normalized) are for finding history with the contact and never leave
    the server.
    """

    id: UUID
    name: str | None
    memories: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        """The entry of a payload's `contacts` list."""
        return {"id": self.id, "name": self.name, "memories": list(self.memories)}

    @property
    def legacy_body(self) -> dict[str, Any]:
        """The singular `contact` of texts and incoming calls that older receivers expect."""
        return {"id": self.id, "name": self.name}


class ContactResolver(Protocol):
    """Finds the contacts of many peers with a fixed number of queries."""

    def __call__(self, peers: Collection[Peer], /) -> Mapping[Peer, KnownContact]:
        """Only matches, and only contacts that are visible to the peer's identity."""
        ...


@lru_cache(maxsize=8)
def _resolver(path: str) -> ContactResolver:
    return cast("ContactResolver", import_string(path))


def resolve_contacts(peers: Collection[Peer]) -> Mapping[Peer, KnownContact]:
    """The known ones among `peers`. Never raises: an event without names is better than no event."""
    if not peers or not settings.WEBHOOK_CONTACT_RESOLVER:
        return {}
    try:
        # A savepoint: on PostgreSQL a failed query would otherwise end the transaction that the event is part of.
        with transaction.atomic():
            return _resolver(settings.WEBHOOK_CONTACT_RESOLVER)(peers)
    except Exception:
        log.exception("webhooks.contacts_unresolved")
        return {}
