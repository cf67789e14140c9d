"""Create, change and delete contacts (contract contacts-notes.md sections 1 and 2).

Changes of one contact happen one at a time: each service locks its row first, and several in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from common.addresses import domain_of
from common.bulk import insert_rows
from common.clock import now
from common.principal import Principal
from common.unset import UNSET, Unset
from contacts.content import ContactFields
from contacts.describing import own_decisions
from contacts.enums import IdentifierKind, NameSource, ReviewStatus
from contacts.errors import ContactNameMissing, ContactNotFound, IdentifiersHidden
from contacts.identifiers import email_key
from contacts.models import Contact, ContactIdentifier, ContactVisibility
from contacts.names import is_named, search_text, sort_key, synthesize_name
from contacts.visibility import ALLOW, BLOCK, Decisions, sight_of
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity


def create_contact(
    principal: Principal, fields: ContactFields, access_identity_ids: Sequence[UUID] | Unset | None = UNSET
) -> Contact:
    """A new contact, visible to every agent, or to those listed (and the agent that makes it).

    Raises ContactNameMissing 400, Invalid 422, IdentityNotFound 404 for an identity of `access_identity_ids`.
    """
    contact = new_contact(principal, fields)
    with transaction.atomic():
        if access_identity_ids is not UNSET and access_identity_ids is not None:
            granted = set(access_identity_ids)
            _check_identities(principal, granted)
            contact.default_profile = BLOCK
            if principal.identity_id is not None:
                granted.add(principal.identity_id)
        else:
            granted = set()
        insert_contacts([contact])
        ContactVisibility.objects.bulk_create(
            ContactVisibility(contact=contact, identity_id=pk, profile=ALLOW) for pk in sorted(granted)
        )
    return contact


def new_contact(principal: Principal, fields: ContactFields, **origin: Any) -> Contact:
    """A contact that is not stored yet. Raises ContactNameMissing 400, Invalid 422."""
    assert principal.organization_id is not None
    contact = Contact(organization_id=principal.organization_id, created_by_identity_id=principal.identity_id, **origin)
    _apply(contact, fields.sent(), principal)
    return contact


def insert_contacts(contacts: Sequence[Contact]) -> None:
    """Store new contacts with what they are found by; in the caller's transaction."""
    for contact in contacts:
        contact.updated_at = contact.created_at
    insert_rows(Contact, contacts)
    ContactIdentifier.objects.bulk_create([row for contact in contacts for row in identifier_rows(contact)])


def update_contact(principal: Principal, contact: Contact, fields: ContactFields) -> Contact:
    """A merge patch: what was not sent stays, lists are replaced as a whole. An empty one changes nothing.

    Raises ContactNotFound 404, ContactNameMissing 400, Invalid 422, IdentifiersHidden 403 for an agent.
    """
    sent = fields.sent()
    if not sent:
        return contact
    with transaction.atomic():
        contact = lock_contact(principal, contact.pk)
        _check_sight(principal, contact, sent)
        _apply(contact, sent, principal)
        contact.save()
        kinds = [kind for kind, name in _LISTS_BY_KIND.items() if name in sent]
        if kinds:
            write_identifiers(contact, kinds)
    return contact


def delete_contact(principal: Principal, contact: Contact) -> None:
    """Remove a contact with everything that is known of it. Raises ContactNotFound 404."""
    with transaction.atomic():
        lock_contact(principal, contact.pk).delete()


def lock_contact(principal: Principal, contact_id: UUID) -> Contact:
    """The contact as it is now, held until the transaction ends. Raises ContactNotFound."""
    # NO KEY: facts and identifiers that refer to the contact are still inserted meanwhile.
    rows = Contact.objects.visible_to(principal).select_for_update(no_key=True, of=("self",))
    row = rows.filter(pk=contact_id).first()
    if row is None:
        raise ContactNotFound
    return row


_LISTS_BY_KIND = {IdentifierKind.EMAIL: "emails", IdentifierKind.PHONE: "phones"}


def identifier_rows(contact: Contact) -> Iterable[ContactIdentifier]:
    """What a contact is found by; not stored."""
    common = {"contact_id": contact.pk, "organization_id": contact.organization_id}
    for item in contact.emails:
        key = email_key(item["value"])
        yield ContactIdentifier(**common, kind=IdentifierKind.EMAIL.value, value=key, domain=domain_of(key))
    for item in contact.phones:
        yield ContactIdentifier(**common, kind=IdentifierKind.PHONE.value, value=item["value_e164"], domain="")


def write_identifiers(contact: Contact, kinds: Iterable[IdentifierKind] = tuple(IdentifierKind)) -> None:
    """Make the look-up table say what the lists of a locked contact say."""
    wanted = {kind.value for kind in kinds}
    contact.identifiers.filter(kind__in=wanted).delete()
    ContactIdentifier.objects.bulk_create([row for row in identifier_rows(contact) if row.kind in wanted])


def refresh_names(contact: Contact) -> None:
    """Bring what is derived from the names of a contact up to date; not stored."""
    contact.sort_name = sort_key(contact.preferred_name)
    contact.search_text = search_text(contact)


def _apply(contact: Contact, sent: dict[str, Any], principal: Principal) -> None:
    """Set what was sent. Raises ContactNameMissing when nothing names the contact then."""
    before = synthesize_name(contact)
    review = sent.pop("review_status", None)
    for name, value in sent.items():
        setattr(contact, name, value)
    if not is_named(contact):
        raise ContactNameMissing
    if sent.get("preferred_name"):
        contact.preferred_name_source = NameSource.MANUAL.value
        contact.preferred_name_locked_at = now()
    else:
        _name_after_parts(contact, before)
    refresh_names(contact)
    if review == ReviewStatus.CONFIRMED:
        confirm(contact, principal)
    elif review is not None:
        contact.review_status, contact.reviewed_at, contact.reviewed_by = ReviewStatus.UNREVIEWED.value, None, None


def _name_after_parts(contact: Contact, before: str | None) -> None:
    """A name that was put together from the others follows them; one that was chosen stays."""
    is_cleared = contact.preferred_name is None
    if is_cleared:
        contact.preferred_name_locked_at = None
    if contact.preferred_name_locked_at is not None:
        return
    is_fallback = contact.preferred_name_source == NameSource.IDENTIFIER_FALLBACK
    if is_cleared or is_fallback or contact.preferred_name == before:
        name = synthesize_name(contact)
        if name is not None and name != contact.preferred_name:
            contact.preferred_name = name
            contact.preferred_name_source = NameSource.MANUAL.value


def confirm(contact: Contact, principal: Principal) -> None:
    """Mark a contact as looked at by the caller; not stored."""
    contact.review_status = ReviewStatus.CONFIRMED.value
    contact.reviewed_at = now()
    contact.reviewed_by = principal.user_id or str(principal.identity_id or principal.key_id)


def _check_identities(principal: Principal, ids: set[UUID]) -> None:
    # An agent names its peers here, which it sees nowhere else: the organization bounds it.
    rows = AgentIdentity.objects.alive().filter(organization_id=principal.organization_id, pk__in=ids)
    if rows.count() != len(ids):
        raise IdentityNotFound


def _check_sight(principal: Principal, contact: Contact, sent: dict[str, Any]) -> None:
    """A list replaces the whole list, so who does not see it cannot mean to replace it."""
    hidden = [name for name in ("emails", "phones") if name in sent]
    if not hidden or principal.identity_id is None:
        return
    row = own_decisions([contact]).get(contact.pk, {}).get(principal.identity_id)
    sight = sight_of(contact.defaults, row.decisions if row is not None else Decisions())
    for name, is_visible in (("emails", sight.email), ("phones", sight.phone)):
        if name in sent and not is_visible:
            raise IdentifiersHidden(name)
