"""Import of vCards (contract contacts-notes.md section 3.1).

Cards are read before the transaction and stored in one: an import that is cut off has stored nothing, and repeating one
that succeeded stores nothing twice, because its cards then conflict with the contacts they became.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.db import batches
from common.ids import parse_uuid
from common.principal import Principal
from contacts import limits
from contacts.contact_selectors import visible_identifiers
from contacts.enums import CreationSource, IdentifierKind, ImportStatus
from contacts.errors import NoCards, NotUtf8, TooManyCards
from contacts.identifiers import email_key
from contacts.models import Contact
from contacts.names import synthesize_name
from contacts.services.contacts import insert_contacts, refresh_names
from contacts.vcards.lines import CardBroken, RawCard, split_cards
from contacts.vcards.reading import CardContent, read_card
from identities.models import Organization

_LOOKUP_BATCH = 500
Key = tuple[str, str]


@dataclass(slots=True)
class CardResult:
    """What became of the card at `index`."""

    index: int
    status: ImportStatus
    contact: Contact | None = None
    error: str | None = None
    conflicting_contact_id: UUID | None = None
    warnings: list[str] = field(default_factory=list)


def import_cards(principal: Principal, raw: bytes) -> list[CardResult]:
    """Store the cards that are good, each on its own merits; the results are in the order of the file.

    Raises NotUtf8 400, TooManyCards 413, NoCards 422.
    """
    cards = _cards(raw)
    read = [_read(card) for card in cards]
    results: list[CardResult] = []
    made: list[Contact] = []
    with transaction.atomic():
        # One import of an organization at a time: two of the same file would not see each other's cards.
        Organization.objects.select_for_update(no_key=True).filter(pk=principal.organization_id).first()
        taken = _taken(principal, [content for content in read if isinstance(content, CardContent)])
        for index, content in enumerate(read):
            if isinstance(content, str):
                results.append(CardResult(index, ImportStatus.ERROR, error=content))
                continue
            conflict = next((taken[key] for key in _keys(content) if key in taken), None)
            if conflict is not None:
                message = "A contact with this UID, address or number exists already."
                results.append(CardResult(index, ImportStatus.CONFLICT, None, message, conflict, content.warnings))
                continue
            contact = _contact(principal, content)
            taken |= dict.fromkeys(_keys(content), contact.pk)
            made.append(contact)
            results.append(CardResult(index, ImportStatus.CREATED, contact, warnings=content.warnings))
        insert_contacts(made)
    return results


def _cards(raw: bytes) -> list[RawCard]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotUtf8 from None
    cards: list[RawCard] = []
    for card in split_cards(text):
        if len(cards) == limits.IMPORT_CARDS_MAX:
            raise TooManyCards(limits.IMPORT_CARDS_MAX)
        cards.append(card)
    if all(card.problem is not None for card in cards):
        raise NoCards
    return cards


def _read(card: RawCard) -> CardContent | str:
    """The content of a card, or what is wrong with it."""
    try:
        return read_card(card, settings.PHONE_REGION or None)
    except CardBroken as broken:
        return str(broken)


def _keys(content: CardContent) -> list[Key]:
    """What tells that a contact is the same as another."""
    keys = [("uid", content.uid)] if content.uid else []
    keys += [(IdentifierKind.EMAIL.value, email_key(item["value"])) for item in content.fields["emails"]]
    keys += [(IdentifierKind.PHONE.value, item["value_e164"]) for item in content.fields["phones"]]
    return keys


def _taken(principal: Principal, contents: Sequence[CardContent]) -> dict[Key, UUID]:
    """The contacts, as far as the caller sees them, that hold what the cards hold; the oldest of several."""
    wanted = {key for content in contents for key in _keys(content)}
    found: dict[Key, UUID] = {}
    for kind in IdentifierKind:
        for values in batches((value for name, value in wanted if name == kind.value), _LOOKUP_BATCH):
            rows = visible_identifiers(principal).filter(kind=kind.value, value__in=values).order_by("contact_id")
            for value, contact_id in rows.values_list("value", "contact_id"):
                found.setdefault((kind.value, value), contact_id)
    uids = {value for name, value in wanted if name == "uid"}
    return found | _taken_uids(principal, uids)


def _taken_uids(principal: Principal, uids: Collection[str]) -> dict[Key, UUID]:
    rows = Contact.objects.visible_to(principal)
    found: dict[Key, UUID] = {}
    for values in batches(uids, _LOOKUP_BATCH):
        for uid, contact_id in rows.filter(vcard_uid__in=values).values_list("vcard_uid", "pk"):
            assert uid is not None
            found[("uid", uid)] = contact_id
        # Cards that this server wrote are called after their contacts.
        own = {pk: uid for uid in values if (pk := parse_uuid(uid.removeprefix("urn:uuid:"))) is not None}
        found |= {("uid", own[pk]): pk for pk in rows.filter(pk__in=own).values_list("pk", flat=True)}
    return found


def _contact(principal: Principal, content: CardContent) -> Contact:
    fields: dict[str, Any] = content.fields
    contact = Contact(
        organization_id=principal.organization_id or "",
        created_by_identity_id=principal.identity_id,
        creation_source=CreationSource.VCARD.value,
        preferred_name_source=content.name_source.value,
        vcard_uid=content.uid,
        **fields,
    )
    contact.preferred_name = contact.preferred_name or synthesize_name(contact)
    refresh_names(contact)
    return contact
