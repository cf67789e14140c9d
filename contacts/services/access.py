"""Grant and revoke as clients until 0.4.20 do it, in terms of decisions (contract contacts-notes.md section 4.3)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.principal import Principal
from contacts.describing import AccessRow, access_rows, own_decisions
from contacts.errors import AccessRowNotFound, AlreadyGranted, OnlyOwnAccess, RedundantGrant
from contacts.models import Contact, ContactVisibility
from contacts.services.contacts import lock_contact
from contacts.visibility import ALLOW, BLOCK, INHERIT, Decisions
from identities.errors import IdentityNotFound, RoleTooLow
from identities.models import AgentIdentity
from identities.roles import require_manager


def list_access(contact: Contact) -> list[AccessRow]:
    """One row for everybody, or one for each identity that sees the contact."""
    return access_rows([contact], own_decisions([contact]))[contact.pk]


def grant_access(principal: Principal, contact: Contact, identity_id: UUID | None) -> AccessRow:
    """Show the contact to one identity, or (None) to every one, whatever was decided before.

    Raises RoleTooLow 403, ContactNotFound and IdentityNotFound 404, RedundantGrant and AlreadyGranted 409.
    """
    require_manager(principal)
    with transaction.atomic():
        contact = lock_contact(principal, contact.pk)
        if identity_id is None:
            _open_to_all(contact)
            return list_access(contact)[0]
        if not AgentIdentity.objects.visible_to(principal).filter(pk=identity_id).exists():
            raise IdentityNotFound
        rows = list_access(contact)
        if [row.identity_id for row in rows] == [None]:
            raise RedundantGrant
        if any(row.identity_id == identity_id for row in rows):
            raise AlreadyGranted
        decide_profile(contact, identity_id, ALLOW)
        count_revision(contact)
    return next(row for row in list_access(contact) if row.identity_id in (identity_id, None))


def revoke_access(principal: Principal, contact: Contact, identity_id: UUID) -> None:
    """Hide the contact from one identity. On a contact that all see, every other identity keeps its sight.

    Raises OnlyOwnAccess and RoleTooLow 403, ContactNotFound, IdentityNotFound and AccessRowNotFound 404.
    """
    if principal.is_agent and identity_id != principal.identity_id:
        raise OnlyOwnAccess
    if not (principal.is_agent or principal.manages_organization):
        raise RoleTooLow
    with transaction.atomic():
        contact = lock_contact(principal, contact.pk)
        rows = list_access(contact)
        if [row.identity_id for row in rows] == [None]:
            if not AgentIdentity.objects.visible_to(principal).filter(pk=identity_id).exists():
                raise IdentityNotFound
            _close_to(contact, identity_id)
        elif any(row.identity_id == identity_id for row in rows):
            decide_profile(contact, identity_id, INHERIT if contact.default_profile == BLOCK else BLOCK)
        else:
            raise AccessRowNotFound
        count_revision(contact)


def decide_profile(contact: Contact, identity_id: UUID, profile: str) -> None:
    """Set one identity's decision about the profile of a locked contact."""
    row = ContactVisibility.objects.filter(contact=contact, identity_id=identity_id).first()
    own = row.decisions if row is not None else Decisions()
    store_decisions(contact, identity_id, row, replace(own, profile=profile))


def store_decisions(contact: Contact, identity_id: UUID, row: ContactVisibility | None, own: Decisions) -> None:
    """Make `row`, the identity's current one if any, say `own`. One that says nothing is removed."""
    if own.is_neutral:
        if row is not None:
            row.delete()
        return
    row = row or ContactVisibility(contact=contact, identity_id=identity_id)
    row.profile, row.memories, row.email, row.phone = own.profile, own.memories, own.email, own.phone
    row.save()


def count_revision(contact: Contact) -> None:
    """The settings of a locked contact have changed."""
    contact.revision += 1
    contact.save(update_fields=["revision", "default_profile", "default_memories", "updated_at"])


def _open_to_all(contact: Contact) -> None:
    rows = ContactVisibility.objects.filter(contact=contact)
    if contact.default_profile != BLOCK and not rows.exclude(profile=INHERIT).exists():
        return
    contact.default_profile = INHERIT
    # What was decided about memories, addresses and numbers is more than an older client can mean.
    rows.filter(memories=INHERIT, email=INHERIT, phone=INHERIT).delete()
    rows.update(profile=INHERIT, updated_at=now())
    count_revision(contact)


def _close_to(contact: Contact, identity_id: UUID) -> None:
    contact.default_profile = BLOCK
    rows = {row.identity_id: row for row in ContactVisibility.objects.filter(contact=contact)}
    others = AgentIdentity.objects.alive().filter(organization_id=contact.organization_id).exclude(pk=identity_id)
    new = [pk for pk in others.order_by("pk").values_list("pk", flat=True) if pk not in rows]
    ContactVisibility.objects.filter(contact=contact).exclude(identity_id=identity_id).update(
        profile=ALLOW, updated_at=now()
    )
    ContactVisibility.objects.bulk_create(
        ContactVisibility(contact=contact, identity_id=pk, profile=ALLOW) for pk in new
    )
    own = rows.get(identity_id)
    if own is not None:
        store_decisions(contact, identity_id, own, replace(own.decisions, profile=INHERIT))
