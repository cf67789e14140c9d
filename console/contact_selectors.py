"""Reads of contacts that only pages need. Every one starts from the principal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Max, Q, QuerySet
from django.http import QueryDict

from common.ids import parse_uuid
from common.principal import Principal
from contacts import limits
from contacts.contact_selectors import visible_identifiers
from contacts.describing import ContactDescriber, Memories, access_rows, own_decisions, summarize_facts
from contacts.enums import ContactOrder, ReviewStatus
from contacts.facts import describe_facts, list_facts
from contacts.identifiers import digits_of, email_key
from contacts.models import Contact
from contacts.models.contact import seen_by
from contacts.visibility import Decisions, Sight, sight_of
from identities.models import AgentIdentity
from mail.models import Correspondent, Mailbox, Message

# Fewer digits are part of too many numbers.
_DIGITS_MIN = 3
_ORDERS = {
    ContactOrder.NAME.value: ("sort_name", "pk"),
    ContactOrder.RECENT.value: ("-created_at", "-pk"),
}


@dataclass(frozen=True, slots=True)
class ContactQuery:
    """What the list is narrowed by, as its address says; what makes no sense is as good as absent."""

    text: str = ""
    order: str = ContactOrder.NAME.value
    only_unreviewed: bool = False
    agent: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> ContactQuery:
        """From the address of the page."""
        order = query.get("order", "")
        return cls(
            query.get("q", "").strip().replace("\x00", "")[: limits.QUERY_MAX_CHARS],
            order if order in _ORDERS else ContactOrder.NAME.value,
            query.get("review") == ReviewStatus.UNREVIEWED.value,
            query.get("agent", ""),
        )

    @property
    def is_narrow(self) -> bool:
        """Whether contacts may be left out."""
        return self != replace(ContactQuery(), order=self.order)


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact in a list. `seen_by` is the number of agents that see it, None for every agent."""

    contact: Contact
    email: str
    phone: str
    seen_by: int | None = None

    @property
    def about(self) -> str:
        """Position and company."""
        return ", ".join(part for part in (self.contact.job_title, self.contact.company_name) if part)


@dataclass(frozen=True, slots=True)
class AgentSight:
    """An agent, and what it sees of a contact."""

    identity: AgentIdentity
    sight: Sight

    @property
    def hidden(self) -> list[str]:
        """What is hidden from an agent that sees the contact."""
        parts = (
            ("addresses", self.sight.email),
            ("numbers", self.sight.phone),
            ("facts", self.sight.memories),
        )
        return [name for name, is_visible in parts if not is_visible]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who sees a contact."""

    is_everybody: bool
    seeing: list[AgentSight]
    others: list[AgentIdentity]

    @property
    def total(self) -> int:
        """How many agents there are."""
        return len(self.seeing) + len(self.others)


@dataclass(frozen=True, slots=True)
class FactLine:
    """A fact, and the messages that it rests on as (handle, thread id), as far as they can still be read."""

    body: dict[str, Any]
    threads: list[tuple[str, UUID]]


def search_contacts(principal: Principal, wanted: ContactQuery, identity: AgentIdentity | None) -> QuerySet[Contact]:
    """Contacts by name, company, note, address or number; `identity` leaves those that this agent sees."""
    rows = Contact.objects.visible_to(principal)
    if identity is not None:
        rows = rows.filter(seen_by(identity.pk))
    if wanted.only_unreviewed:
        rows = rows.filter(review_status=ReviewStatus.UNREVIEWED.value)
    if wanted.text:
        rows = rows.filter(_matches(principal, wanted.text))
    return rows.order_by(*_ORDERS[wanted.order])


def _matches(principal: Principal, text: str) -> Q:
    part, digits = text.casefold(), digits_of(text)
    found = Q(value__contains=part)
    if len(digits) >= _DIGITS_MIN and not any(char.isalpha() for char in text):
        found |= Q(value__contains=digits)
    identified = visible_identifiers(principal).filter(found).values("contact_id")
    return Q(search_text__contains=part) | Q(pk__in=identified)


def contact_lines(contacts: Sequence[Contact]) -> list[ContactLine]:
    """Contacts as a list shows them. At most two queries, however many."""
    if not contacts:
        return []
    access = access_rows(contacts, own_decisions(contacts))
    return [
        ContactLine(
            contact,
            _first(contact.emails, "value"),
            _first(contact.phones, "value_e164"),
            None if [row.identity_id for row in access[contact.pk]] == [None] else len(access[contact.pk]),
        )
        for contact in contacts
    ]


def contacts_as_seen(identity: AgentIdentity, contacts: Sequence[Contact]) -> list[tuple[ContactLine, Memories]]:
    """Contacts that an agent sees, without what is hidden from it, and with what it remembers. Four queries."""
    if not contacts:
        return []
    describer = ContactDescriber(contacts, identity.pk)
    sights = {contact.pk: describer.sight(contact) for contact in contacts}
    memories = summarize_facts([pk for pk, sight in sights.items() if sight.memories])
    return [
        (
            ContactLine(
                contact,
                _first(contact.emails, "value") if sights[contact.pk].email else "",
                _first(contact.phones, "value_e164") if sights[contact.pk].phone else "",
            ),
            memories.get(contact.pk, Memories()),
        )
        for contact in contacts
    ]


def find_audience(principal: Principal, contact: Contact) -> Audience:
    """Which agents see a contact, and which do not, by handle. Two queries."""
    own = own_decisions([contact]).get(contact.pk, {})
    seeing, others = [], []
    for identity in AgentIdentity.objects.visible_to(principal).order_by("agent_handle", "pk"):
        row = own.get(identity.pk)
        sight = sight_of(contact.defaults, row.decisions if row is not None else Decisions())
        if sight.profile:
            seeing.append(AgentSight(identity, sight))
        else:
            others.append(identity)
    nobody = sight_of(contact.defaults, Decisions())
    return Audience(nobody.profile and not others, seeing, others)


def fact_lines(principal: Principal, contact: Contact) -> list[FactLine]:
    """What is known of a contact, newest first. A fixed number of queries."""
    bodies = describe_facts(principal, list_facts(principal, contact, with_expired=False))
    cited = {body["id"]: [one["source_id"] for one in body["citations"] if one["source_id"]] for body in bodies}
    threads = _threads_of(principal, {pk for ids in cited.values() for pk in ids})
    return [
        FactLine(body, list(dict.fromkeys(threads[pk] for pk in cited[body["id"]] if pk in threads))) for body in bodies
    ]


def similar_contacts(principal: Principal, contact: Contact, limit: int) -> list[Contact]:
    """Other contacts with one of its addresses or numbers, or with its name. One query."""
    keys = visible_identifiers(principal).filter(contact=contact)
    same = visible_identifiers(principal).filter(value__in=keys.values("value"))
    rows = Contact.objects.visible_to(principal).exclude(pk=contact.pk)
    return list(
        rows.filter(Q(pk__in=same.values("contact_id")) | Q(sort_name=contact.sort_name)).order_by("sort_name", "pk")[
            :limit
        ]
    )


def agents_in_touch(principal: Principal, contact: Contact) -> list[AgentIdentity]:
    """Agents that had mail with a contact, the last one first. Two queries."""
    rows = Correspondent.objects.filter(
        mailbox__in=Mailbox.objects.visible_to(principal).filter(identity__isnull=False),
        address__in=[email_key(item["value"]) for item in contact.emails],
        message__deleted_at=None,
    )
    last = dict(rows.values_list("mailbox__identity").annotate(Max("occurred_at")))
    identities = AgentIdentity.objects.visible_to(principal).filter(pk__in=last)
    return sorted(identities, key=lambda identity: last[identity.pk], reverse=True)


def agent_choices(principal: Principal) -> list[tuple[str, str]]:
    """Handle and name of every agent, for a field to choose from. One query."""
    rows = AgentIdentity.objects.visible_to(principal).order_by("agent_handle")
    return [(row.agent_handle, row.sender_name) for row in rows]


def parse_ids(texts: Collection[str], most: int) -> list[UUID]:
    """The ids among these texts, each once; no more than `most`."""
    found = dict.fromkeys(pk for text in texts if (pk := parse_uuid(text)) is not None)
    return list(found)[:most]


def _first(items: Sequence[dict[str, Any]], name: str) -> str:
    """The primary item, else the first."""
    chosen = next((item for item in items if item.get("is_primary")), items[0] if items else {})
    return str(chosen.get(name) or "")


def _threads_of(principal: Principal, message_ids: Collection[UUID]) -> dict[UUID, tuple[str, UUID]]:
    if not message_ids:
        return {}
    boxes = Mailbox.objects.visible_to(principal)
    rows = Message.objects.alive().filter(pk__in=message_ids, mailbox__in=boxes, mailbox__identity__isnull=False)
    return {
        pk: (handle, thread_id)
        for pk, handle, thread_id in rows.values_list("pk", "mailbox__identity__agent_handle", "thread_id")
    }
