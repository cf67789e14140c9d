"""How an identity stands with a contact, in the words of each surface (contract contacts-notes.md section 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from contacts.describing import ContactDescriber, own_decisions
from contacts.enums import IdentifierKind
from contacts.models import Contact
from contacts.standing import INBOUND, OUTBOUND, AddressStanding, Standing
from contacts.visibility import Decisions
from identities.models import AgentIdentity

EMAIL, PHONE = IdentifierKind.EMAIL, IdentifierKind.PHONE


def permissions_body(standing: Standing) -> dict[str, Any]:
    """Yes or no for each address; the maps without a direction are the outbound ones."""
    sight = standing.sight

    def allowed(kind: IdentifierKind, side: str) -> dict[str, bool]:
        return {one.value: one.allowed[side] for one in standing.of_kind(kind)}

    return {
        "emails": allowed(EMAIL, OUTBOUND),
        "phones": allowed(PHONE, OUTBOUND),
        "profile": sight.profile,
        "memories": sight.memories,
        "inbound_emails": allowed(EMAIL, INBOUND),
        "outbound_emails": allowed(EMAIL, OUTBOUND),
        "inbound_phones": allowed(PHONE, INBOUND),
        "outbound_phones": allowed(PHONE, OUTBOUND),
    }


def access_body(standing: Standing) -> dict[str, Any]:
    """What is visible, and the addresses that may be used."""
    sight = standing.sight
    return {
        "email": _group(standing.of_kind(EMAIL), is_visible=sight.email),
        "phone": _group(standing.of_kind(PHONE), is_visible=sight.phone),
        "profile": sight.profile,
        "memories": sight.memories,
    }


def _group(addresses: Iterable[AddressStanding], *, is_visible: bool) -> dict[str, Any]:
    rows = list(addresses)
    sides = {side: [one.value for one in rows if one.allowed[side]] for side in (INBOUND, OUTBOUND)}
    return {
        "visible": is_visible,
        "contactable": sides[OUTBOUND],
        "inbound_contactable": sides[INBOUND],
        "outbound_contactable": sides[OUTBOUND],
    }


def policy_body(contact: Contact, standing: Standing | None, identity: AgentIdentity | None) -> dict[str, Any]:
    """The choices about a contact; without an identity only what does not depend on one. One query."""
    rows = own_decisions([contact]).get(contact.pk, {})
    overrides = [
        {"identity_id": pk, "profile": row.profile, "memories": row.memories}
        for pk, row in rows.items()
        if not Decisions(row.profile, row.memories).is_neutral
    ]
    sight = standing.sight if standing is not None else None
    return {
        "contact_id": contact.pk,
        "revision": contact.revision,
        "identity_id": identity.pk if identity is not None else None,
        "addresses": [_address(one) for one in standing.addresses] if standing is not None else [],
        "effective_visibility": _visibility(sight.profile, sight.memories) if sight is not None else None,
        "visibility": {"defaults": _decisions(contact.defaults), "identities": overrides},
    }


def _address(one: AddressStanding) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "value": one.value,
        "label": one.label,
        "action": one.actions[OUTBOUND],
        "allowed": one.allowed[OUTBOUND],
        "inbound_action": one.actions[INBOUND],
        "outbound_action": one.actions[OUTBOUND],
        "allowed_inbound": one.allowed[INBOUND],
        "allowed_outbound": one.allowed[OUTBOUND],
    }


def _visibility(profile: bool, memories: bool) -> dict[str, bool]:
    return {"profile": profile, "memories": memories}


def _decisions(decisions: Decisions) -> dict[str, str]:
    return {"profile": decisions.profile, "memories": decisions.memories}


def preview_bodies(identity: AgentIdentity, found: Sequence[Standing]) -> list[dict[str, Any]]:
    """Each contact as the identity sees it. Three queries."""
    contacts = [standing.contact for standing in found]
    bodies = ContactDescriber(contacts, identity.pk).bodies() if contacts else []
    return [_preview(identity, standing, body) for standing, body in zip(found, bodies, strict=True)]


def _preview(identity: AgentIdentity, standing: Standing, contact: dict[str, Any]) -> dict[str, Any]:
    sight = standing.sight

    def can(kind: IdentifierKind, side: str) -> bool:
        return any(one.allowed[side] for one in standing.of_kind(kind))

    return {
        "identity_id": identity.pk,
        "contact": contact if sight.profile else None,
        "email": can(EMAIL, OUTBOUND),
        "phone": can(PHONE, OUTBOUND),
        "full_profile": sight.profile,
        "visibility": _visibility(sight.profile, sight.memories),
        "inbound_email": can(EMAIL, INBOUND),
        "outbound_email": can(EMAIL, OUTBOUND),
        "inbound_phone": can(PHONE, INBOUND),
        "outbound_phone": can(PHONE, OUTBOUND),
    }


_SUMMARY = ("id", "preferred_name", "given_name", "family_name", "company_name", "review_status", "emails", "phones")


def entry_body(standing: Standing) -> dict[str, Any]:
    """A row of the list that people manage permissions with: the contact whole, whatever the identity sees of it."""
    contact, sight = standing.contact, standing.sight

    def share(kind: IdentifierKind, side: str) -> str:
        allowed = [one.allowed[side] for one in standing.of_kind(kind)]
        if not allowed:
            return "no_identifiers"
        return "all" if all(allowed) else "some" if any(allowed) else "none"

    return {
        "contact": {name: getattr(contact, name) for name in _SUMMARY},
        "revision": contact.revision,
        "visibility": {
            "defaults": _decisions(contact.defaults),
            "identity_override": _decisions(standing.own),
        },
        "effective": {
            "email": share(EMAIL, OUTBOUND),
            "phone": share(PHONE, OUTBOUND),
            "profile": sight.profile,
            "memories": sight.memories,
            "inbound_email": share(EMAIL, INBOUND),
            "outbound_email": share(EMAIL, OUTBOUND),
            "inbound_phone": share(PHONE, INBOUND),
            "outbound_phone": share(PHONE, OUTBOUND),
        },
        "access": access_body(standing),
    }
