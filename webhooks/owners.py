"""Who owns a subscription. Mailboxes and numbers belong to apps above this one, which register resolvers.

`settings.WEBHOOK_OWNER_RESOLVERS` lists dotted paths of functions with the shape of `OwnerResolver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from common.principal import Principal
from identities.models import AgentIdentity
from webhooks.enums import Selector
from webhooks.errors import OwnerNotFound
from webhooks.models import EventStream


@dataclass(frozen=True, slots=True)
class ResolvedOwner:
    """What stands behind a mailbox or number id; no identity when none holds it (seed profile)."""

    organization_id: str
    identity_id: UUID | None


class OwnerResolver(Protocol):
    """Finds a mailbox or number that the principal may see."""

    def __call__(self, kind: str, row_id: UUID, principal: Principal, /) -> ResolvedOwner | None:
        """`kind` is `mailbox` or `phone_number`. None when unknown, not visible, or not this resolver's kind."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """The selector a subscription is created with, and what it resolves to."""

    selector: Selector
    id: UUID
    organization_id: str
    identity_id: UUID | None


def resolve_owner(principal: Principal, selector: Selector, row_id: UUID) -> Owner | None:
    """The owner, or None when the principal must not know of it."""
    if selector is Selector.IDENTITY:
        identity = AgentIdentity.objects.visible_to(principal).filter(pk=row_id).first()
        return None if identity is None else Owner(selector, row_id, identity.organization_id, identity.pk)
    for resolver in _resolvers():
        found = resolver(selector.value, row_id, principal)
        if found is None or found.organization_id != principal.organization_id:
            continue
        if principal.is_agent and found.identity_id != principal.identity_id:
            continue
        return Owner(selector, row_id, found.organization_id, found.identity_id)
    return None


def _resolvers() -> Sequence[OwnerResolver]:
    return [import_string(path) for path in getattr(settings, "WEBHOOK_OWNER_RESOLVERS", [])]


def lock_owner(owner: Owner) -> AgentIdentity | None:
    """Serialize changes to an owner's subscriptions until the transaction ends; returns its identity, if it has one.

    Raises OwnerNotFound when the identity was deleted meanwhile.
    """
    if owner.identity_id is None:
        if not connection.features.has_select_for_update:
            return None  # SQLite: the transaction is the only writer
        EventStream.objects.bulk_create([EventStream(stream_id=owner.id)], ignore_conflicts=True)
        EventStream.objects.select_for_update().get(pk=owner.id)
        return None
    # NO KEY: rows that merely refer to the identity (messages, events) are still inserted meanwhile.
    identity = AgentIdentity.objects.alive().select_for_update(no_key=True).filter(pk=owner.identity_id).first()
    if identity is None or identity.organization_id != owner.organization_id:
        raise OwnerNotFound(owner.selector)
    return identity
