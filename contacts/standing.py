"""How an identity stands with contacts: what it sees of them, and at which addresses they may write to each other
(contract contacts-notes.md section 4.4).

What is seen are decisions of the address book. Who may write to whom are contact rules: an address is allowed or
blocked by the identity's rule for that very address, its rules for domains, and its filter mode, as in every send and
receipt. Nothing is stored twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from contacts.enums import Decision, IdentifierKind, MatchType, RuleChannel, RuleDirection, RuleStatus
from contacts.identifiers import email_key
from contacts.models import Contact, ContactIdentifier, ContactRule, ContactVisibility
from contacts.rules import RuleView, covers, decide, matches_exactly, precedence
from contacts.visibility import Decisions, Sight, sight_of
from identities.models import AgentIdentity

INBOUND, OUTBOUND = RuleDirection.INBOUND.value, RuleDirection.OUTBOUND.value
SIDES = (INBOUND, OUTBOUND)
CHANNELS = {IdentifierKind.EMAIL: RuleChannel.MAIL, IdentifierKind.PHONE: RuleChannel.PHONE}
EXACT_MATCHES = {IdentifierKind.EMAIL: MatchType.EXACT_EMAIL, IdentifierKind.PHONE: MatchType.EXACT_NUMBER}


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """One address or number: the explicit choice for each side, and what comes of it. `key` is the compared form."""

    kind: IdentifierKind
    value: str
    key: str
    label: str | None
    actions: dict[str, str]
    allowed: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Standing:
    """One identity and one contact."""

    contact: Contact
    own: Decisions
    addresses: tuple[AddressStanding, ...]

    @property
    def sight(self) -> Sight:
        return sight_of(self.contact.defaults, self.own)

    def of_kind(self, kind: IdentifierKind) -> list[AddressStanding]:
        """Addresses, or numbers, in the order of the contact."""
        return [one for one in self.addresses if one.kind is kind]


def standings(identity: AgentIdentity, contacts: Sequence[Contact]) -> list[Standing]:
    """How the identity stands with each contact, in order. Two queries."""
    if not contacts:
        return []
    ids = [contact.pk for contact in contacts]
    rows = ContactVisibility.objects.filter(identity=identity, contact_id__in=ids)
    own = {row.contact_id: row.decisions for row in rows}
    rules = _rules(identity, ids)
    return [
        Standing(
            contact,
            own.get(contact.pk, Decisions()),
            tuple(_address(identity, rules, *parts) for parts in _identifiers(contact)),
        )
        for contact in contacts
    ]


def standing_of(identity: AgentIdentity, contact: Contact) -> Standing:
    """As `standings`, with one contact."""
    return standings(identity, [contact])[0]


_Rules = dict[tuple[str, str], list[RuleView]]


def _rules(identity: AgentIdentity, contact_ids: Sequence[UUID]) -> _Rules:
    """Active rules that say something about addresses of these contacts, by channel and target."""
    known = ContactIdentifier.objects.filter(contact_id__in=contact_ids)
    rows = ContactRule.objects.filter(identity=identity, status=RuleStatus.ACTIVE.value).filter(
        Q(match_target__in=known.values("value"))
        | Q(match_type=MatchType.DOMAIN.value, match_target__in=known.values("domain"))
    )
    found: _Rules = defaultdict(list)
    for rule in rows:
        found[rule.channel, rule.match_target].append(
            RuleView(rule.pk, rule.action, rule.match_type, rule.match_target, rule.direction, rule.status)
        )
    return found


def _identifiers(contact: Contact) -> Iterable[tuple[IdentifierKind, str, str, str | None]]:
    for item in contact.emails:
        yield IdentifierKind.EMAIL, item["value"], email_key(item["value"]), item.get("label")
    for item in contact.phones:
        yield IdentifierKind.PHONE, item["value_e164"], item["value_e164"], item.get("label")


def _address(
    identity: AgentIdentity, rules: _Rules, kind: IdentifierKind, value: str, key: str, label: str | None
) -> AddressStanding:
    channel = CHANNELS[kind].value
    known = [*rules.get((channel, key), ()), *rules.get((channel, key.rpartition("@")[2]), ())]
    return AddressStanding(
        kind,
        value,
        key,
        label,
        actions={side: _action(known, key, side) for side in SIDES},
        allowed={side: decide(filter_mode(identity, kind, side), known, key, side).allowed for side in SIDES},
    )


def _action(rules: Iterable[RuleView], key: str, side: str) -> str:
    exact = [rule for rule in rules if covers(rule, side) and matches_exactly(rule, key)]
    return min(exact, key=precedence).action if exact else Decision.INHERIT.value


def filter_mode(identity: AgentIdentity, kind: IdentifierKind, side: str) -> str:
    """What happens to a counterparty that no rule names."""
    if kind is IdentifierKind.EMAIL:
        return identity.mail_inbound_filter_mode if side == INBOUND else identity.mail_outbound_filter_mode
    return identity.phone_inbound_filter_mode if side == INBOUND else identity.phone_outbound_filter_mode
