"""Who the other side of an event is, for receivers of webhooks (contract webhooks.md section 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from common.clock import now
from common.prepared import Many, Prepared
from contacts.enums import IdentifierKind, NameSource
from contacts.identifiers import email_key
from contacts.models import Contact, ContactFact, ContactIdentifier, ContactVisibility
from contacts.visibility import Decisions, Sight, sight_of
from webhooks.enrichment import KnownContact, Peer, PeerKind

_HOLDERS = Prepared(
    lambda organization_ids, values: (
        ContactIdentifier.objects.filter(
            organization_id__in=organization_ids, kind__in=[kind.value for kind in IdentifierKind], value__in=values
        )
        .order_by("contact_id")
        .values_list("organization_id", "kind", "value", "contact_id")
    ),
    Many(str),
    Many(str),
)
_CONTACTS = Prepared(
    lambda ids: Contact.objects.filter(pk__in=ids).only(
        "preferred_name", "preferred_name_source", "emails", "phones", "default_profile", "default_memories"
    ),
    Many(UUID),
)
_DECISIONS = Prepared(
    lambda contact_ids, identity_ids: ContactVisibility.objects.filter(
        contact_id__in=contact_ids, identity_id__in=identity_ids
    ).values_list("contact_id", "identity_id", "profile", "memories", "email", "phone"),
    Many(UUID),
    Many(UUID),
)
_FACTS = Prepared(
    lambda moment, contact_ids: (
        ContactFact.objects.active(moment)
        .filter(contact_id__in=contact_ids)
        .order_by("-updated_at", "-pk")
        .values_list("contact_id", "content")
    ),
    datetime,
    Many(UUID),
)
_Key = tuple[str, str, str]


def resolve_peers(peers: Collection[Peer]) -> Mapping[Peer, KnownContact]:
    """The contact of each peer that has one which its identity may see; the oldest of several.

    One query while nobody is known, four otherwise, whatever the number of peers.
    """
    keys = {peer: (peer.organization_id, peer.kind.value, _value(peer)) for peer in peers}
    holders = _holders(keys.values())
    if not holders:
        return {}
    contacts = {row.pk: row for row in _CONTACTS.objects({pk for ids in holders.values() for pk in ids})}
    seen = _Sights(contacts, {peer.identity_id for peer in peers if peer.identity_id is not None})
    found: dict[Peer, tuple[Contact, Sight]] = {}
    for peer, key in keys.items():
        for contact_id in holders.get(key, ()):
            contact = contacts[contact_id]
            sight = seen.sight(contact, peer.identity_id)
            if sight.email if peer.kind is PeerKind.EMAIL else sight.phone:
                found[peer] = contact, sight
                break
    texts = _texts({contact.pk for contact, sight in found.values() if sight.memories})
    return {peer: _known(contact, sight, texts) for peer, (contact, sight) in found.items()}


def _value(peer: Peer) -> str:
    return email_key(peer.value) if peer.kind is PeerKind.EMAIL else peer.value


def _holders(keys: Collection[_Key]) -> dict[_Key, list[UUID]]:
    """The contacts with each identifier, oldest first."""
    found: dict[_Key, list[UUID]] = defaultdict(list)
    if keys:
        for *key, contact_id in _HOLDERS.tuples({key[0] for key in keys}, {key[2] for key in keys}):
            found[key[0], key[1], key[2]].append(contact_id)
    return found


class _Sights:
    """What some identities see of some contacts. One query."""

    def __init__(self, contacts: Collection[UUID], identity_ids: Collection[UUID]) -> None:
        rows = _DECISIONS.tuples(contacts, identity_ids) if identity_ids else []
        self._own = {(row[0], row[1]): Decisions(*row[2:]) for row in rows}

    def sight(self, contact: Contact, identity_id: UUID | None) -> Sight:
        """Without an identity, the defaults of the contact hold."""
        own = self._own.get((contact.pk, identity_id)) if identity_id is not None else None
        return sight_of(contact.defaults, own or Decisions())


def _texts(contact_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Active facts of each contact, newest first."""
    found: dict[UUID, list[str]] = defaultdict(list)
    if contact_ids:
        for contact_id, content in _FACTS.tuples(now(), contact_ids):
            found[contact_id].append(content)
    return found


def _known(contact: Contact, sight: Sight, texts: Mapping[UUID, list[str]]) -> KnownContact:
    is_fallback = contact.preferred_name_source == NameSource.IDENTIFIER_FALLBACK
    emails = [email_key(item["value"]) for item in contact.emails] if sight.email else []
    phones = [item["value_e164"] for item in contact.phones] if sight.phone else []
    return KnownContact(
        id=contact.pk,
        # An address or number that stands in for a name is no name.
        name=None if is_fallback else contact.preferred_name,
        memories=tuple(texts.get(contact.pk, ())) if sight.memories else (),
        addresses=(*emails, *phones),
    )
