"""Contacts that nobody writes down: made when somebody unknown gets in touch (contract contacts-notes.md section 5).

This runs in the transactions that receive mail, for many messages at once and in several processes at the same time.
An identifier that a contact is made for is claimed by a unique row; who comes second finds it taken and makes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.bulk import insert_rows
from common.clock import now
from common.prepared import Many, Prepared
from contacts import limits
from contacts.enums import CreationSource, IdentifierKind, NameSource, ReviewStatus
from contacts.identifiers import canonical_email, email_key, is_e164
from contacts.models import Contact, ContactIdentifier
from contacts.services.contacts import identifier_rows, refresh_names


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who got in touch with an identity. `name` is what the sender, or the provider, says it is called."""

    organization_id: str
    identity_id: UUID | None
    kind: IdentifierKind
    value: str
    name: str | None = None
    name_source: NameSource = NameSource.MAIL_HEADER


_Key = tuple[str, str, str]
_KNOWN = Prepared(
    lambda organization_ids, values: ContactIdentifier.objects.filter(
        organization_id__in=organization_ids, kind__in=[kind.value for kind in IdentifierKind], value__in=values
    ).values_list("organization_id", "kind", "value", "contact_id", "contact__preferred_name_source"),
    Many(str),
    Many(str),
)


def recognize(people: Iterable[Stranger]) -> list[Stranger]:
    """Those that no contact of the organization has the address or number of; in the caller's transaction.

    A contact that is still called by its address gets the name that is known now, unless its name was locked. While
    the feature is off, nobody is a stranger. One query when everybody is known.
    """
    wanted = {key: one for one in people if (key := _key(one)) is not None} if settings.AUTOMATIC_CONTACTS else {}
    if not wanted:
        return []
    known: set[_Key] = set()
    unnamed: dict[UUID, str] = {}
    for organization_id, kind, value, contact_id, source in _KNOWN.tuples(
        {key[0] for key in wanted}, {key[2] for key in wanted}
    ):
        known.add((organization_id, kind, value))
        one = wanted.get((organization_id, kind, value))
        if one is not None and source == NameSource.IDENTIFIER_FALLBACK and (name := _name(one)) is not None:
            unnamed[contact_id] = name
    if unnamed:
        _give_names(unnamed)
    # In one order everywhere: two transactions that claim the same identifiers wait for each other, once.
    return [wanted[key] for key in sorted(wanted.keys() - known)]


def make_contacts(strangers: Sequence[Stranger]) -> None:
    """A contact for each of these, in the order of `recognize`; in the same transaction as that.

    An organization has at most `AUTOMATIC_UNREVIEWED_MAX` of these contacts that nobody has looked at; from then on
    strangers stay strangers.
    """
    kept = _within_limits(strangers)
    if kept:
        _insert(kept)


def _key(stranger: Stranger) -> _Key | None:
    """What the stranger is recognized by; None for what is no address or number."""
    if stranger.kind is IdentifierKind.PHONE:
        return (stranger.organization_id, stranger.kind.value, stranger.value) if is_e164(stranger.value) else None
    if canonical_email(stranger.value) is None:
        return None
    return stranger.organization_id, stranger.kind.value, email_key(stranger.value)


def _name(stranger: Stranger) -> str | None:
    """A name, as opposed to nothing, or to an address, which would be the sender's word for who it is."""
    name = " ".join((stranger.name or "").split())[: limits.PREFERRED_NAME_MAX_CHARS].strip()
    return name if name and "@" not in name and any(letter.isalpha() for letter in name) else None


def _within_limits(strangers: Sequence[Stranger]) -> list[Stranger]:
    """Those that still fit. Several transactions at once may go over the limit by what they hold."""
    room: dict[str, int] = {}
    kept = []
    for one in strangers:
        if one.organization_id not in room:
            waiting = Contact.objects.filter(
                organization_id=one.organization_id,
                creation_source=CreationSource.COMMUNICATION.value,
                review_status=ReviewStatus.UNREVIEWED.value,
                merged_into=None,
            )
            room[one.organization_id] = limits.AUTOMATIC_UNREVIEWED_MAX - waiting.count()
        if room[one.organization_id] > 0:
            room[one.organization_id] -= 1
            kept.append(one)
    return kept


def _insert(strangers: Sequence[Stranger]) -> None:
    contacts = [_contact(one) for one in strangers]
    insert_rows(Contact, contacts)
    rows = [row for contact in contacts for row in identifier_rows(contact)]
    for row in rows:
        row.is_automatic = True
    ContactIdentifier.objects.bulk_create(rows, ignore_conflicts=True)
    ids = [contact.pk for contact in contacts]
    claimed = set(ContactIdentifier.objects.filter(contact_id__in=ids).values_list("contact_id", flat=True))
    late = [pk for pk in ids if pk not in claimed]
    if late:
        # Somebody else made a contact for the same identifier since it was looked up.
        Contact.objects.filter(pk__in=late).delete()


def _contact(stranger: Stranger) -> Contact:
    name = _name(stranger)
    moment = now()
    contact = Contact(
        organization_id=stranger.organization_id,
        created_by_identity_id=stranger.identity_id,
        creation_source=CreationSource.COMMUNICATION.value,
        review_status=ReviewStatus.UNREVIEWED.value,
        preferred_name=name or stranger.value[: limits.PREFERRED_NAME_MAX_CHARS],
        preferred_name_source=(stranger.name_source if name else NameSource.IDENTIFIER_FALLBACK).value,
        created_at=moment,
        updated_at=moment,
    )
    if stranger.kind is IdentifierKind.EMAIL:
        contact.emails = [{"label": None, "value": canonical_email(stranger.value), "is_primary": False}]
    else:
        contact.phones = [{"label": None, "value_e164": stranger.value, "is_primary": False}]
    refresh_names(contact)
    return contact


def _give_names(names: dict[UUID, str]) -> None:
    with transaction.atomic():
        for contact in _unnamed(names):
            contact.preferred_name = names[contact.pk]
            contact.preferred_name_source = NameSource.MAIL_HEADER.value
            refresh_names(contact)
            contact.save(
                update_fields=["preferred_name", "preferred_name_source", "sort_name", "search_text", "updated_at"]
            )


def _unnamed(ids: Collection[UUID]) -> list[Contact]:
    """Those that are still called by their address, locked in the order of their ids."""
    rows = Contact.objects.alive().filter(
        pk__in=ids,
        preferred_name_source=NameSource.IDENTIFIER_FALLBACK.value,
        preferred_name_locked_at=None,
    )
    return list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk"))
