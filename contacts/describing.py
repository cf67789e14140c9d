"""Contacts as a caller sees them: without what is hidden, with memories and access rows. A fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from common.clock import now
from common.principal import Principal
from contacts.content import LISTS
from contacts.models import Contact, ContactFact, ContactVisibility
from contacts.visibility import ALLOW, BLOCK, EVERYTHING, Decisions, Sight, sight_of
from identities.models import AgentIdentity

_SCALARS = (
    "organization_id",
    "preferred_name",
    "name_prefix",
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "company_name",
    "job_title",
    "birthday",
    "notes",
)
_ORIGINS = (
    "creation_source",
    "review_status",
    "reviewed_at",
    "reviewed_by",
    "preferred_name_source",
    "preferred_name_locked_at",
    "created_by_identity_id",
)


@dataclass(frozen=True, slots=True)
class AccessRow:
    """An access grant as clients until 0.4.20 know them; `identity_id` None stands for every identity.

    Grants are derived from decisions, so their ids are derived too: the same as long as the grant stands.
    """

    contact_id: UUID
    identity_id: UUID | None
    created_at: datetime

    @property
    def body(self) -> dict[str, Any]:
        """On the wire."""
        return {
            "id": uuid5(self.contact_id, str(self.identity_id or "*")),
            "contact_id": self.contact_id,
            "identity_id": self.identity_id,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class Memories:
    """The active facts of a contact, in short."""

    count: int = 0
    latest: dict[str, Any] | None = None


class ContactDescriber:
    """Renders contacts of one organization for one viewer: an identity, or somebody who sees everything (None)."""

    def __init__(self, contacts: Sequence[Contact], viewer_id: UUID | None) -> None:
        self._contacts = contacts
        self._own = own_decisions(contacts)
        self._viewer_id = viewer_id
        self._access = access_rows(contacts, self._own)

    def sight(self, contact: Contact) -> Sight:
        """What the viewer sees of it."""
        if self._viewer_id is None:
            return EVERYTHING
        row = self._own.get(contact.pk, {}).get(self._viewer_id)
        return sight_of(contact.defaults, row.decisions if row is not None else Decisions())

    def bodies(self, *, with_memories: bool = True) -> list[dict[str, Any]]:
        """The contacts in order, each as one shape for every client generation."""
        sights = [self.sight(contact) for contact in self._contacts]
        remembered = [c.pk for c, sight in zip(self._contacts, sights, strict=True) if sight.memories]
        memories = summarize_facts(remembered) if with_memories else {}
        return [
            self._body(contact, sight, memories.get(contact.pk, Memories()) if with_memories else None)
            for contact, sight in zip(self._contacts, sights, strict=True)
        ]

    def _body(self, contact: Contact, sight: Sight, memories: Memories | None) -> dict[str, Any]:
        body: dict[str, Any] = {"id": contact.pk}
        body |= {name: getattr(contact, name) for name in _SCALARS}
        body |= {name: getattr(contact, name) for name in LISTS}
        if not sight.email:
            body["emails"] = []
        if not sight.phone:
            body["phones"] = []
        body["access"] = [row.body for row in self._access[contact.pk]]
        body["status"] = "active"
        body |= {name: getattr(contact, name) for name in _ORIGINS}
        body["merged_into_contact_id"] = contact.merged_into_id
        body["is_auto_created"] = contact.is_auto_created
        body["is_confirmed"] = contact.is_confirmed
        shown = memories if sight.memories else None
        body["memory_count"] = shown.count if shown is not None else None
        body["latest_memory"] = shown.latest if shown is not None else None
        body["slack_accounts"] = []
        body["created_at"] = contact.created_at
        body["updated_at"] = contact.updated_at
        return body


def describe_contacts(principal: Principal, contacts: Sequence[Contact]) -> list[dict[str, Any]]:
    """Contacts that the caller may see, in order."""
    viewer_id = principal.identity_id if principal.is_agent else None
    return ContactDescriber(contacts, viewer_id).bodies() if contacts else []


def describe_contact(principal: Principal, contact: Contact) -> dict[str, Any]:
    """One contact that the caller may see."""
    return describe_contacts(principal, [contact])[0]


def own_decisions(contacts: Iterable[Contact]) -> dict[UUID, dict[UUID, ContactVisibility]]:
    """The decisions of living identities about each contact, by contact and identity. One query."""
    found: dict[UUID, dict[UUID, ContactVisibility]] = {}
    rows = ContactVisibility.objects.filter(
        contact_id__in=[contact.pk for contact in contacts], identity__deleted_at__isnull=True
    )
    for row in rows.order_by("pk"):
        found.setdefault(row.contact_id, {})[row.identity_id] = row
    return found


def access_rows(
    contacts: Sequence[Contact], own: dict[UUID, dict[UUID, ContactVisibility]]
) -> dict[UUID, list[AccessRow]]:
    """The grants of each contact (section 4.3): one for all, or one for each identity that sees it.

    One query more when a contact is visible to all but some.
    """
    identities: list[tuple[UUID, datetime]] | None = None
    found: dict[UUID, list[AccessRow]] = {}
    for contact in contacts:
        rows = own.get(contact.pk, {})
        is_open = contact.default_profile != BLOCK
        blocked = {pk for pk, row in rows.items() if row.profile == BLOCK}
        if is_open and not blocked:
            found[contact.pk] = [AccessRow(contact.pk, None, contact.created_at)]
        elif is_open:
            if identities is None:
                identities = _identities(contact.organization_id)
            found[contact.pk] = [
                AccessRow(contact.pk, pk, max(born, contact.created_at)) for pk, born in identities if pk not in blocked
            ]
        else:
            found[contact.pk] = [
                AccessRow(contact.pk, pk, row.created_at) for pk, row in rows.items() if row.profile == ALLOW
            ]
    return found


def _identities(organization_id: str) -> list[tuple[UUID, datetime]]:
    rows = AgentIdentity.objects.alive().filter(organization_id=organization_id)
    return list(rows.order_by("created_at", "pk").values_list("pk", "created_at"))


def summarize_facts(contact_ids: Collection[UUID]) -> dict[UUID, Memories]:
    """Number and newest of the active facts of each contact that has some. Two queries, one when there are none."""
    if not contact_ids:
        return {}
    rows = ContactFact.objects.active(now()).filter(contact_id__in=contact_ids).order_by("-updated_at", "-pk")
    ids: dict[UUID, list[UUID]] = defaultdict(list)
    for contact_id, fact_id in rows.values_list("contact_id", "pk"):
        ids[contact_id].append(fact_id)
    if not ids:
        return {}
    newest = ContactFact.objects.filter(pk__in=[facts[0] for facts in ids.values()])
    texts: dict[UUID, dict[str, Any]] = {row["id"]: {**row} for row in newest.values("id", "content", "updated_at")}
    return {contact_id: Memories(len(facts), texts.get(facts[0])) for contact_id, facts in ids.items()}
