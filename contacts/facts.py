"""Facts as a caller sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from common.clock import now
from common.ids import parse_uuid
from common.principal import Principal
from contacts.describing import ContactDescriber
from contacts.enums import Availability
from contacts.errors import CitationNotFound, FactNotFound, MemoriesHidden
from contacts.models import Contact, ContactFact, ContactFactCitation
from contacts.sources import Verdict, judge_sources


def list_facts(principal: Principal, contact: Contact, *, with_expired: bool) -> list[ContactFact]:
    """Newest first. Raises MemoriesHidden."""
    _check_sight(principal, contact)
    rows = ContactFact.objects.filter(contact=contact)
    if not with_expired:
        rows = rows.active(now())
    return list(rows.order_by("-updated_at", "-pk").prefetch_related("citations"))


def get_fact(principal: Principal, contact: Contact, row_id: str) -> ContactFact:
    """A fact of a visible contact, expired or not. Raises MemoriesHidden, FactNotFound."""
    _check_sight(principal, contact)
    pk = parse_uuid(row_id)
    row = ContactFact.objects.filter(contact=contact, pk=pk).prefetch_related("citations").first() if pk else None
    if row is None:
        raise FactNotFound
    return row


def describe_facts(principal: Principal, facts: Sequence[ContactFact]) -> list[dict[str, Any]]:
    """Facts with their citations. One query for each type of source."""
    cited = [citation for fact in facts for citation in fact.citations.all()]
    verdicts = judge_sources(principal, {(one.source_type, one.source_id) for one in cited})
    return [_fact_body(fact, verdicts) for fact in facts]


def citation_body(principal: Principal, fact: ContactFact, row_id: str) -> dict[str, Any]:
    """The source of a citation, for a caller that can read it. Raises CitationNotFound."""
    pk = parse_uuid(row_id)
    row = next((one for one in fact.citations.all() if one.pk == pk), None)
    verdict = judge_sources(principal, [(row.source_type, row.source_id)]) if row is not None else {}
    if row is None or (found := verdict[row.source_type, row.source_id]).availability is not Availability.AVAILABLE:
        raise CitationNotFound
    return {
        "source_type": row.source_type,
        "source_id": row.source_id,
        "source_locator": row.source_locator,
        "source_url": found.url,
    }


def _fact_body(fact: ContactFact, verdicts: dict[tuple[str, UUID], Verdict]) -> dict[str, Any]:
    return {
        "id": fact.pk,
        "contact_id": fact.contact_id,
        "content": fact.content,
        "kind": fact.kind,
        "origin": fact.origin,
        "confidence": str(fact.confidence) if fact.confidence is not None else None,
        "locked_at": fact.locked_at,
        "expires_at": fact.expires_at,
        "citations": _citations(fact, fact.citations.all(), verdicts),
        "created_at": fact.created_at,
        "updated_at": fact.updated_at,
    }


def _citations(
    fact: ContactFact, rows: Iterable[ContactFactCitation], verdicts: dict[tuple[str, UUID], Verdict]
) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        availability = verdicts[row.source_type, row.source_id].availability
        is_available = availability is Availability.AVAILABLE
        path = f"/api/v1/contacts/{fact.contact_id}/facts/{fact.pk}/citations/{row.pk}"
        found.append(
            {
                "source_type": row.source_type,
                "availability": availability.value,
                "source_id": row.source_id if is_available else None,
                "source_url": path if is_available else None,
                "source_locator": row.source_locator if is_available else None,
            }
        )
    return found


def _check_sight(principal: Principal, contact: Contact) -> None:
    if principal.is_agent and not ContactDescriber([contact], principal.identity_id).sight(contact).memories:
        raise MemoriesHidden
