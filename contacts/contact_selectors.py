"""Reads of contacts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import StrIndex

from common.ids import parse_uuid
from common.principal import Principal
from contacts import limits
from contacts.enums import ContactOrder, IdentifierKind
from contacts.errors import ContactNotFound
from contacts.identifiers import digits_of, email_key, phone_key
from contacts.models import Contact, ContactIdentifier, ContactVisibility
from contacts.models.contact import seen_by
from contacts.parts import rows_with_part
from contacts.visibility import BLOCK
from identities.models import AgentIdentity

_ORDERS = {ContactOrder.NAME.value: ("sort_name", "pk"), ContactOrder.RECENT.value: ("-created_at", "-pk")}


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """What a list of contacts is narrowed by, and how it is sorted."""

    q: str | None = None
    order: str = ContactOrder.NAME.value
    review_statuses: tuple[str, ...] = ()
    limit: int = limits.CONTACT_LIST_DEFAULT
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Lookup:
    """Exactly one of these is set."""

    email: str | None = None
    email_contains: str | None = None
    email_domain: str | None = None
    phone: str | None = None
    phone_contains: str | None = None


def list_contacts(principal: Principal, wanted: ContactFilter) -> list[Contact]:
    """One page of what the caller may see."""
    return filtered_contacts(Contact.objects.visible_to(principal), wanted, wanted.limit)


def filtered_contacts(rows: QuerySet[Contact], wanted: ContactFilter, limit: int) -> list[Contact]:
    """The page of `rows` that is asked for, of at most `limit` contacts."""
    if wanted.q:
        rows = rows.filter(search_text__contains=wanted.q.casefold())
    if wanted.review_statuses:
        rows = rows.filter(review_status__in=wanted.review_statuses)
    return list(rows.order_by(*_ORDERS[wanted.order])[wanted.offset : wanted.offset + limit])


def contacts_seen_by(identity: AgentIdentity) -> QuerySet[Contact]:
    """Contacts whose profile the identity may see."""
    return Contact.objects.alive().filter(organization_id=identity.organization_id).filter(seen_by(identity.pk))


def get_contact(principal: Principal, row_id: str | UUID) -> Contact:
    """A contact that the caller may see. Raises ContactNotFound."""
    pk = row_id if isinstance(row_id, UUID) else parse_uuid(row_id)
    row = Contact.objects.visible_to(principal).filter(pk=pk).first() if pk is not None else None
    if row is None:
        raise ContactNotFound
    return row


def get_contacts(principal: Principal, ids: Iterable[UUID]) -> list[Contact]:
    """Contacts in the order of `ids`. Raises ContactNotFound when the caller does not see one of them."""
    wanted = list(ids)
    found = Contact.objects.visible_to(principal).in_bulk(wanted)
    if any(pk not in found for pk in wanted):
        raise ContactNotFound
    return [found[pk] for pk in wanted]


def look_up_contacts(principal: Principal, lookup: Lookup) -> list[Contact]:
    """Contacts that an address or number belongs to, oldest first, at most 200. One query, two by a part.

    Nothing is found by what is hidden from the caller.
    """
    rows = _matching(visible_identifiers(principal), lookup)
    matches = rows.select_related("contact").order_by("contact_id")[: limits.LOOKUP_MAX]
    # A contact with several matches comes once.
    return list({row.contact_id: row.contact for row in matches}.values())


def visible_identifiers(principal: Principal) -> QuerySet[ContactIdentifier]:
    """Addresses and numbers that the caller may see, of contacts that it may see."""
    rows = ContactIdentifier.objects.filter(organization_id=principal.organization_id)
    if principal.sees_organization:
        return rows
    if not principal.is_agent:
        return rows.none()
    hidden = ContactVisibility.objects.filter(contact_id=OuterRef("contact_id"), identity_id=principal.identity_id)
    return rows.filter(seen_by(principal.identity_id, "contact__")).exclude(
        Q(Exists(hidden.filter(email=BLOCK)), kind=IdentifierKind.EMAIL.value)
        | Q(Exists(hidden.filter(phone=BLOCK)), kind=IdentifierKind.PHONE.value)
    )


def _matching(rows: QuerySet[ContactIdentifier], lookup: Lookup) -> QuerySet[ContactIdentifier]:
    if lookup.email is not None:
        return rows.filter(kind=IdentifierKind.EMAIL.value, value=email_key(lookup.email))
    if lookup.phone is not None:
        return rows.filter(kind=IdentifierKind.PHONE.value, value=phone_key(lookup.phone))
    if lookup.email_domain is not None:
        return rows.filter(domain=email_key("x@" + lookup.email_domain.removeprefix("@")).removeprefix("x@"))
    if lookup.email_contains is not None:
        kind, part = IdentifierKind.EMAIL, lookup.email_contains.strip().lower()
    else:
        assert lookup.phone_contains is not None
        kind, part = IdentifierKind.PHONE, digits_of(lookup.phone_contains)
    return _containing(rows.filter(kind=kind.value), part)


def _containing(rows: QuerySet[ContactIdentifier], part: str) -> QuerySet[ContactIdentifier]:
    """Rows whose value has the part in it, as it is written: no character stands for others."""
    if connection.vendor == "postgresql":
        return rows.filter(value__contains=part)
    found = rows_with_part(connection, part, limits.PART_ROWS_MAX)
    if found is not None:
        return rows.filter(pk__in=found)
    return rows.annotate(place=StrIndex(F("value"), Value(part))).filter(place__gt=0)
