"""Write what is known of a contact (contract contacts-notes.md section 3.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.errors import Invalid
from common.principal import Principal
from common.unset import UNSET, Unset
from contacts import limits
from contacts.describing import Memories, summarize_facts
from contacts.enums import Availability, FactOrigin
from contacts.errors import FactNotFound, TooManyFacts
from contacts.models import Contact, ContactFact, ContactFactCitation
from contacts.services.contacts import lock_contact
from contacts.sources import judge_sources
from identities.roles import require_manager


@dataclass(frozen=True, slots=True)
class NewCitation:
    """What a new fact rests on."""

    source_type: str
    source_id: UUID
    source_locator: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact that a person writes down."""

    content: str
    kind: str
    citations: Sequence[NewCitation] = ()


@dataclass(frozen=True, slots=True)
class FactChanges:
    """The body of fact update; at least one of the two."""

    content: str | Unset = UNSET
    kind: str | Unset = UNSET


def create_fact(principal: Principal, contact: Contact, new: NewFact) -> ContactFact:
    """A fact that never expires. Raises RoleTooLow 403, ContactNotFound 404, TooManyFacts 409, Invalid 422."""
    require_manager(principal)
    _check_sources(principal, new.citations)
    with transaction.atomic():
        contact = lock_contact(principal, contact.pk)
        fact = ContactFact.objects.create(
            contact=contact, content=new.content, kind=new.kind, origin=FactOrigin.USER.value
        )
        ContactFactCitation.objects.bulk_create(
            ContactFactCitation(
                fact=fact, source_type=one.source_type, source_id=one.source_id, source_locator=one.source_locator
            )
            for one in new.citations
        )
        check_room(contact)
    return fact


def update_fact(principal: Principal, fact: ContactFact, changes: FactChanges) -> ContactFact:
    """An edited fact is a person's: it no longer expires. New words rest on nothing that the old ones rested on.

    Raises RoleTooLow 403, FactNotFound 404, TooManyFacts 409, Invalid 422 when nothing is sent.
    """
    require_manager(principal)
    if changes == FactChanges():
        raise Invalid("Send content, kind or both.", loc=("body",))
    with transaction.atomic():
        contact = lock_contact(principal, fact.contact_id)
        row = _lock_fact(contact, fact)
        if changes.content is not UNSET and changes.content != row.content:
            row.content, row.confidence = changes.content, None
            row.citations.all().delete()
        if changes.kind is not UNSET:
            row.kind = changes.kind
        row.origin, row.expires_at = FactOrigin.USER.value, None
        row.save()
        check_room(contact)
    return row


def delete_fact(principal: Principal, fact: ContactFact) -> Memories:
    """Remove a fact; what is left. Raises RoleTooLow 403, FactNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        contact = lock_contact(principal, fact.contact_id)
        _lock_fact(contact, fact).delete()
    return summarize_facts([contact.pk]).get(contact.pk, Memories())


def check_room(contact: Contact) -> None:
    """Raises TooManyFacts when the active facts of a locked contact are over a limit."""
    kinds = Counter(ContactFact.objects.active(now()).filter(contact=contact).values_list("kind", flat=True))
    crowded = sorted(kind for kind, number in kinds.items() if number > limits.FACTS_PER_KIND_MAX[kind])
    if kinds.total() > limits.FACTS_TOTAL_MAX:
        crowded.append("total")
    if crowded:
        raise TooManyFacts(crowded, limits.FACTS_PER_KIND_MAX, limits.FACTS_TOTAL_MAX)


def _lock_fact(contact: Contact, fact: ContactFact) -> ContactFact:
    row = ContactFact.objects.filter(contact=contact, pk=fact.pk).first()
    if row is None:
        raise FactNotFound
    return row


def _check_sources(principal: Principal, citations: Sequence[NewCitation]) -> None:
    verdicts = judge_sources(principal, {(one.source_type, one.source_id) for one in citations})
    for index, one in enumerate(citations):
        if verdicts[one.source_type, one.source_id].availability is not Availability.AVAILABLE:
            raise Invalid("There is no such source here.", loc=("body", "citations", index, "source_id"))
