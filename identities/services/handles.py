"""Claim and release names of the global namespace (contract identities.md section 2)."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from common.clock import now
from identities import limits
from identities.enums import Namespace
from identities.errors import HandleUnavailable
from identities.handles import RESERVED
from identities.models import AgentIdentity, HandleClaim


def claim_handle(name: str, namespace: Namespace, identity: AgentIdentity) -> None:
    """Take `name` for `identity`. Raises HandleUnavailable when it is reserved, in use, or in quarantine.

    Insert first, then look: two callers that race for one name are told apart by the primary key.
    """
    if name in RESERVED:
        raise HandleUnavailable(name, Namespace.IDENTITIES)
    claim = HandleClaim(
        name=name, namespace=namespace.value, organization_id=identity.organization_id, identity=identity
    )
    try:
        with transaction.atomic():
            claim.save(force_insert=True)
        return
    except IntegrityError:
        pass
    if HandleClaim.objects.filter(pk=name, identity=identity, released_at__isnull=True).update(
        namespace=namespace.value
    ):
        return  # its own name: renamed back, or the mailbox asks for the name of the handle
    free_for_us = Q(organization_id=identity.organization_id) | Q(released_at__lt=now() - limits.HANDLE_QUARANTINE)
    taken = HandleClaim.objects.filter(free_for_us, pk=name, released_at__isnull=False).update(
        namespace=namespace.value,
        organization_id=identity.organization_id,
        identity=identity,
        claimed_at=now(),
        released_at=None,
    )
    if not taken:
        holder = HandleClaim.objects.filter(pk=name).values_list("namespace", flat=True).first()
        raise HandleUnavailable(name, Namespace(holder) if holder else Namespace.IDENTITIES)


def give_up_handle(name: str, identity: AgentIdentity) -> None:
    """After a rename: the handle an identity was created with stays taken, because its mail address contains it.

    A later handle is released, else an identity could collect names by renaming itself again and again.
    """
    held = HandleClaim.objects.filter(identity=identity, released_at__isnull=True)
    first = held.order_by("claimed_at").values_list("name", flat=True).first()
    if name == first:
        held.filter(pk=name).update(namespace=Namespace.MAIL.value)
    else:
        held.filter(pk=name).update(released_at=now())


def keep_name_without_identity(name: str, namespace: Namespace, identity: AgentIdentity) -> None:
    """Keep a name taken for a channel that outlives its identity (seed profile: unlinked, not deleted)."""
    hand_over_name(name, namespace, identity, None)


def held_names(identity: AgentIdentity) -> list[str]:
    """Every name that the identity holds."""
    return list(HandleClaim.objects.filter(identity=identity, released_at__isnull=True).values_list("name", flat=True))


def hand_over_name(name: str, namespace: Namespace, identity: AgentIdentity, heir_id: UUID | None) -> None:
    """A channel keeps the name of an identity that goes away: it is now held by the channel's own identity, if any."""
    HandleClaim.objects.filter(pk=name, identity=identity).update(namespace=namespace.value, identity_id=heir_id)


def adopt_name(name: str, identity: AgentIdentity) -> None:
    """An identity takes over a channel whose name nobody holds; the name will end with the identity."""
    HandleClaim.objects.filter(
        pk=name, identity=None, organization_id=identity.organization_id, released_at__isnull=True
    ).update(identity=identity)


def release_orphaned_name(name: str, organization_id: str) -> None:
    """A channel that no identity holds is gone, and its name is free again; the quarantine starts now."""
    HandleClaim.objects.filter(
        pk=name, identity=None, organization_id=organization_id, released_at__isnull=True
    ).update(released_at=now())


def release_handles(identity: AgentIdentity) -> None:
    """Give back every name of a deleted identity; the quarantine starts now."""
    HandleClaim.objects.filter(identity=identity, released_at__isnull=True).update(released_at=now())


def release_organization_handles(organization_id: str, *, at_once: bool) -> None:
    """Give back every name of an organization that is being deleted, with or without a quarantine."""
    claims = HandleClaim.objects.filter(organization_id=organization_id)
    if at_once:
        claims.delete()
    else:
        claims.filter(released_at__isnull=True).update(released_at=now())
