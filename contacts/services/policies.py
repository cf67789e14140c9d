"""Replace the policy of a contact for one identity, unless somebody changed it meanwhile (contract contacts-notes.md
section 4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction

from common.errors import Invalid
from common.principal import Principal
from common.unset import UNSET, Unset
from contacts.coverage import sides_of
from contacts.enums import IdentifierKind
from contacts.errors import PolicyStale
from contacts.models import Contact, ContactVisibility
from contacts.services.access import count_revision, store_decisions
from contacts.services.contacts import lock_contact
from contacts.services.exact_rules import RuleChange, record_changes
from contacts.services.permissions import Choices, deny_all, find_address, write_rules
from contacts.services.rules import lock_rules
from contacts.standing import Standing, standing_of
from contacts.visibility import BLOCK, INHERIT, Decisions
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity
from identities.roles import require_manager


@dataclass(frozen=True, slots=True)
class AddressDecision:
    """A choice about one address; the expected ones are what the caller saw before."""

    kind: str
    value: str
    action: str
    direction: str = "both"
    expected_action: str | Unset = UNSET
    expected_inbound_action: str | Unset = UNSET
    expected_outbound_action: str | Unset = UNSET


@dataclass(frozen=True, slots=True)
class VisibilityChoice:
    """Decisions about profile and memories: those of one identity, or (None) the defaults."""

    profile: str
    memories: str
    identity_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class VisibilityPolicy:
    """The complete visibility of a contact."""

    defaults: VisibilityChoice
    identities: tuple[VisibilityChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyChanges:
    """The body of a policy replacement. Addresses that are not listed stay as they are, and so does visibility when
    it is left out."""

    expected_revision: int
    identity_id: UUID
    addresses: tuple[AddressDecision, ...] = ()
    visibility: VisibilityPolicy | Unset = UNSET


def replace_policy(
    principal: Principal, contact: Contact, changes: PolicyChanges
) -> tuple[Contact, AgentIdentity, Standing]:
    """Apply all of it, or nothing; the revision rises by one.

    Raises RoleTooLow 403, ContactNotFound and IdentityNotFound 404, PolicyStale and TooManyRules 409, Invalid 422.
    """
    require_manager(principal)
    with transaction.atomic():
        contact = lock_contact(principal, contact.pk)
        if contact.revision != changes.expected_revision:
            raise PolicyStale
        identities = _lock_identities(principal, changes)
        identity = identities[changes.identity_id]
        before = {pk: standing_of(one, contact) for pk, one in identities.items()}
        had_profile = {pk: standing.sight.profile for pk, standing in before.items()}
        choices = _address_choices(before[identity.pk], changes.addresses)
        if changes.visibility is not UNSET:
            _write_visibility(contact, changes.visibility)
        recorded: list[tuple[AgentIdentity, list[RuleChange]]] = []
        for pk, one in identities.items():
            own = choices if pk == identity.pk else Choices()
            _follow_profile(own, standing_of(one, contact), had_profile=had_profile[pk])
            recorded.append((one, write_rules(one, own.actions)))
        count_revision(contact)
        for one, rules in recorded:
            record_changes(rules, one)
    return contact, identity, standing_of(identity, contact)


def _lock_identities(principal: Principal, changes: PolicyChanges) -> dict[UUID, AgentIdentity]:
    """The identity that the policy is for, and those that it names, held in the order of their ids."""
    named = changes.visibility.identities if changes.visibility is not UNSET else ()
    wanted = {changes.identity_id, *(one.identity_id for one in named if one.identity_id is not None)}
    if len(named) != len({one.identity_id for one in named}):
        raise Invalid("An identity is listed twice. Send it once.", loc=("body", "visibility", "identities"))
    found = {row.pk: row for row in AgentIdentity.objects.visible_to(principal).filter(pk__in=wanted).order_by("pk")}
    if len(found) != len(wanted):
        raise IdentityNotFound
    for pk in found:
        lock_rules(pk)
    return found


def _address_choices(standing: Standing, decisions: Iterable[AddressDecision]) -> Choices:
    """Raises PolicyStale when an address is not as expected, Invalid for unknown and repeated ones."""
    choices = Choices()
    current = {(one.kind, one.key): one.actions for one in standing.addresses}
    for index, decision in enumerate(decisions):
        kind = IdentifierKind(decision.kind)
        key = find_address(standing, kind, decision.value, ("body", "addresses", index, "value"))
        for side in sides_of(decision.direction):
            if side in choices.actions.get(key, {}):
                raise Invalid("This address is decided about twice. Send it once.", loc=("body", "addresses", index))
            specific: str | Unset = getattr(decision, f"expected_{side}_action")
            expected = decision.expected_action if specific is UNSET else specific
            if expected is not UNSET and current[key][side] != expected:
                raise PolicyStale
            choices.set(key, (side,), None if decision.action == INHERIT else decision.action)
    return choices


def _write_visibility(contact: Contact, policy: VisibilityPolicy) -> None:
    """Replace the decisions about profile and memories of a locked contact; those about its groups stay."""
    defaults = policy.defaults
    _check_visibility(Decisions(defaults.profile, defaults.memories), Decisions(), ("body", "visibility", "defaults"))
    for index, one in enumerate(policy.identities):
        loc = ("body", "visibility", "identities", index)
        own = Decisions(one.profile, one.memories)
        _check_visibility(Decisions(defaults.profile, defaults.memories), own, loc)
    contact.default_profile, contact.default_memories = defaults.profile, defaults.memories
    rows = {row.identity_id: row for row in ContactVisibility.objects.filter(contact=contact)}
    wanted = {one.identity_id: one for one in policy.identities if one.identity_id is not None}
    for pk in sorted({*rows, *wanted}):
        row, choice = rows.get(pk), wanted.get(pk)
        own = row.decisions if row is not None else Decisions()
        profile, memories = (choice.profile, choice.memories) if choice is not None else (INHERIT, INHERIT)
        store_decisions(contact, pk, row, replace(own, profile=profile, memories=memories))


def _check_visibility(defaults: Decisions, own: Decisions, loc: tuple[str | int, ...]) -> None:
    """Memories are a part of the profile."""
    profile = defaults.profile if own.profile == INHERIT else own.profile
    memories = defaults.memories if own.memories == INHERIT else own.memories
    if profile == BLOCK and memories != BLOCK:
        raise Invalid("Without the profile, memories cannot be visible. Block memories as well.", loc=loc)


def _follow_profile(choices: Choices, standing: Standing, *, had_profile: bool) -> None:
    """Addresses are blocked together with the profile. Raises Invalid when it is off and an address would be on."""
    if standing.sight.profile:
        return
    if choices.allows():
        raise Invalid(
            "Without the profile, addresses and numbers cannot be allowed. Allow the profile as well.",
            loc=("body", "addresses"),
        )
    if had_profile:
        for kind in IdentifierKind:
            deny_all(choices, standing, kind)
