"""Decide what an identity sees of a contact, and at which addresses they may write to each other (contract
contacts-notes.md section 4.4).

Every surface comes down to the same choices: visibility of the contact, and for each address and side allow, block or
no choice. They are applied at once or not at all, under the locks of the contact and then of the identity. Without the
profile nothing else is enabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from django.db import transaction

from common.errors import Invalid
from common.principal import Principal
from common.unset import UNSET, Unset
from contacts.content import ContactFields
from contacts.enums import IdentifierKind
from contacts.identifiers import email_key, phone_key
from contacts.models import Contact, ContactVisibility
from contacts.services.access import count_revision, store_decisions
from contacts.services.contacts import create_contact, lock_contact
from contacts.services.exact_rules import RuleChange, record_changes, set_exact_rules
from contacts.services.rules import lock_rules
from contacts.standing import CHANNELS, EXACT_MATCHES, INBOUND, OUTBOUND, SIDES, Standing, standing_of
from contacts.visibility import ALLOW, BLOCK, INHERIT, sight_of
from identities.models import AgentIdentity
from identities.roles import require_manager

AddressKey = tuple[IdentifierKind, str]
GROUP_NAMES = {IdentifierKind.EMAIL: "email", IdentifierKind.PHONE: "phone"}
MAP_NAMES = {IdentifierKind.EMAIL: "emails", IdentifierKind.PHONE: "phones"}


@dataclass(frozen=True, slots=True)
class PermissionChanges:
    """Yes or no for addresses, by side; what is left out stays. `emails` and `phones` mean both sides."""

    emails: Mapping[str, bool] | Unset = UNSET
    phones: Mapping[str, bool] | Unset = UNSET
    inbound_emails: Mapping[str, bool] | Unset = UNSET
    outbound_emails: Mapping[str, bool] | Unset = UNSET
    inbound_phones: Mapping[str, bool] | Unset = UNSET
    outbound_phones: Mapping[str, bool] | Unset = UNSET
    profile: bool | Unset = UNSET
    memories: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """Whether the addresses (or numbers) are visible, and the complete sets that may be used; the rest is denied."""

    visible: bool | Unset = UNSET
    contactable: tuple[str, ...] | Unset = UNSET
    inbound_contactable: tuple[str, ...] | Unset = UNSET
    outbound_contactable: tuple[str, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class AccessChanges:
    """What is visible and who may be written to, in groups; what is left out stays."""

    email: GroupChanges | Unset = UNSET
    phone: GroupChanges | Unset = UNSET
    profile: bool | Unset = UNSET
    memories: bool | Unset = UNSET


@dataclass(slots=True)
class Choices:
    """What one body decides. True and False are explicit; what is not in here stays as it is."""

    profile: bool | Unset = UNSET
    memories: bool | Unset = UNSET
    visible: dict[IdentifierKind, bool] = field(default_factory=dict)
    actions: dict[AddressKey, dict[str, str | None]] = field(default_factory=dict)

    def set(self, key: AddressKey, sides: Iterable[str], action: str | None) -> None:
        """Decide about some sides of an address."""
        self.actions.setdefault(key, {}).update(dict.fromkeys(sides, action))

    def allows(self, kind: IdentifierKind | None = None) -> bool:
        """Whether an address (of a kind) is enabled by this."""
        return any(ALLOW in sides.values() for (of_kind, _), sides in self.actions.items() if kind in (None, of_kind))


def update_permissions(
    principal: Principal, identity: AgentIdentity, contact: Contact, changes: PermissionChanges
) -> Standing:
    """Address by address. Enabling one makes its group visible.

    Raises RoleTooLow 403, ContactNotFound and IdentityNotFound 404, TooManyRules 409, Invalid 422.
    """
    return _update(principal, identity, contact, changes)


def update_access(principal: Principal, identity: AgentIdentity, contact: Contact, changes: AccessChanges) -> Standing:
    """Group by group; raises the same."""
    return _update(principal, identity, contact, changes)


def create_permitted_contact(
    principal: Principal, identity: AgentIdentity, fields: ContactFields, changes: PermissionChanges | AccessChanges
) -> Contact:
    """A new contact with what is decided about one identity, or neither; raises the same, and as `create_contact`."""
    with transaction.atomic():
        contact = create_contact(principal, fields)
        _update(principal, identity, contact, changes)
    return contact


def _update(
    principal: Principal, identity: AgentIdentity, contact: Contact, changes: PermissionChanges | AccessChanges
) -> Standing:
    require_manager(principal)
    if changes == type(changes)():
        return standing_of(identity, contact)
    with transaction.atomic():
        contact = lock_contact(principal, contact.pk)
        lock_rules(identity.pk)
        standing = standing_of(identity, contact)
        if isinstance(changes, PermissionChanges):
            choices = _from_maps(standing, changes)
        else:
            choices = _from_groups(standing, changes)
        recorded = apply_choices(standing, identity, choices)
        count_revision(contact)
        record_changes(recorded, identity)
    return standing_of(identity, contact)


def find_address(standing: Standing, kind: IdentifierKind, raw: str, loc: tuple[str | int, ...]) -> AddressKey:
    """The contact's address that is meant. Raises Invalid."""
    key = email_key(raw) if kind is IdentifierKind.EMAIL else phone_key(raw)
    if all(one.key != key for one in standing.of_kind(kind)):
        raise Invalid("The contact does not have this. Add it to the contact first.", loc=loc)
    return kind, key


def _from_maps(standing: Standing, changes: PermissionChanges) -> Choices:
    choices = Choices(changes.profile, changes.memories)
    for kind, name in MAP_NAMES.items():
        for sent, sides in ((name, SIDES), (f"inbound_{name}", (INBOUND,)), (f"outbound_{name}", (OUTBOUND,))):
            for raw, is_allowed in (getattr(changes, sent) or {}).items():
                key = find_address(standing, kind, raw, ("body", sent, raw))
                choices.set(key, sides, ALLOW if is_allowed else BLOCK)
        if choices.allows(kind):
            choices.visible[kind] = True
    return choices


def _from_groups(standing: Standing, changes: AccessChanges) -> Choices:
    choices = Choices(changes.profile, changes.memories)
    sight = standing.sight
    for kind, name in GROUP_NAMES.items():
        group: GroupChanges | Unset = getattr(changes, name)
        if group is UNSET:
            continue
        lists = {"contactable": SIDES, "inbound_contactable": (INBOUND,), "outbound_contactable": (OUTBOUND,)}
        for sent, sides in lists.items():
            values: tuple[str, ...] | Unset = getattr(group, sent)
            if values is UNSET:
                continue
            wanted = {
                find_address(standing, kind, raw, ("body", name, sent, index)) for index, raw in enumerate(values)
            }
            for one in standing.of_kind(kind):
                choices.set((kind, one.key), sides, ALLOW if (kind, one.key) in wanted else BLOCK)
        if group.visible is not UNSET:
            choices.visible[kind] = group.visible
        is_visible = choices.visible.get(kind, sight.email if kind is IdentifierKind.EMAIL else sight.phone)
        if not is_visible and sight.profile and choices.allows(kind):
            raise Invalid(f"A hidden group has no contactable addresses. Send {name}.visible true.", loc=("body", name))
    return choices


def apply_choices(standing: Standing, identity: AgentIdentity, choices: Choices) -> list[RuleChange]:
    """Write what was decided about a locked contact and identity; returns what has become of rules. Raises Invalid."""
    contact, own = standing.contact, standing.own
    if choices.profile is not UNSET:
        own = replace(own, profile=ALLOW if choices.profile else BLOCK)
    has_profile = sight_of(contact.defaults, own).profile
    if not has_profile:
        check_dependents(choices)
    if choices.profile is False:
        _turn_off(choices, standing)
    if choices.memories is not UNSET:
        own = replace(own, memories=ALLOW if choices.memories else BLOCK)
    for kind, is_visible in choices.visible.items():
        own = replace(own, **{GROUP_NAMES[kind]: INHERIT if is_visible else BLOCK})
        if not is_visible:
            deny_all(choices, standing, kind)
    row = ContactVisibility.objects.filter(contact=contact, identity=identity).first()
    store_decisions(contact, identity.pk, row, own)
    return write_rules(identity, choices.actions)


def check_dependents(choices: Choices) -> None:
    """What is decided about an identity that does not see the profile. Raises Invalid."""
    if choices.memories is True or choices.allows() or True in choices.visible.values():
        raise Invalid(
            "Without the profile, memories, addresses and numbers cannot be enabled. Send profile true as well.",
            loc=("body", "profile"),
        )


def _turn_off(choices: Choices, standing: Standing) -> None:
    """Everything that needs the profile goes with it."""
    choices.memories = False
    choices.visible = dict.fromkeys(IdentifierKind, False)
    for kind in IdentifierKind:
        deny_all(choices, standing, kind)


def deny_all(choices: Choices, standing: Standing, kind: IdentifierKind) -> None:
    """Block every address of a kind, both ways."""
    for one in standing.of_kind(kind):
        choices.set((kind, one.key), SIDES, BLOCK)


def write_rules(identity: AgentIdentity, actions: Mapping[AddressKey, Mapping[str, str | None]]) -> list[RuleChange]:
    changes: list[RuleChange] = []
    for kind in IdentifierKind:
        wanted = {key: sides for (of_kind, key), sides in actions.items() if of_kind is kind}
        if wanted:
            changes += set_exact_rules(identity, CHANNELS[kind], EXACT_MATCHES[kind].value, wanted)
    return changes
