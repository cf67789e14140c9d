"""Shapes of permissions, access settings and policies (contract contacts-notes.md section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.api.inputs import CleanText, InputSerializer, NestedInput, StrictBoolean
from common.unset import UNSET
from contacts import limits
from contacts.api.contact_shapes import ContactFieldsIn, ContactFilterIn, ContactOut, EmailIn, PhoneIn
from contacts.api.fields import items_of, one_of
from contacts.contact_selectors import ContactFilter
from contacts.content import ContactFields
from contacts.enums import ContactOrder, Decision, IdentifierKind, ReviewStatus, RuleDirection
from contacts.services.permissions import AccessChanges, GroupChanges, PermissionChanges
from contacts.services.policies import AddressDecision, PolicyChanges, VisibilityChoice, VisibilityPolicy


class Choices(serializers.DictField):
    """Addresses or numbers, each with true or false."""

    def __init__(self, max_length: int) -> None:
        super().__init__(child=StrictBoolean(), required=False)
        self._max_length = max_length

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        if len(found) > self._max_length:
            raise serializers.ValidationError(f"Send at most {self._max_length}.")
        return found


class Addresses(serializers.ListField):
    """Addresses or numbers of a contact."""

    def __init__(self) -> None:
        child = CleanText(max_length=limits.EMAIL_MAX_CHARS, trim_whitespace=True, allow_blank=False)
        super().__init__(child=child, max_length=limits.EMAILS_MAX, required=False)

    def to_internal_value(self, data: Any) -> Any:
        return tuple(super().to_internal_value(data))


def _refuse_both(attrs: Mapping[str, Any], shared: str, directional: tuple[str, str]) -> None:
    both = [name for name in directional if name in attrs]
    if shared in attrs and both:
        raise serializers.ValidationError(dict.fromkeys(both, f"Send either {shared}, or one list for each direction."))


class PermissionChangesIn(InputSerializer[PermissionChanges]):
    """Any part of the permissions; what is left out stays."""

    into = PermissionChanges
    emails = Choices(limits.EMAILS_MAX)
    phones = Choices(limits.PHONES_MAX)
    inbound_emails = Choices(limits.EMAILS_MAX)
    outbound_emails = Choices(limits.EMAILS_MAX)
    inbound_phones = Choices(limits.PHONES_MAX)
    outbound_phones = Choices(limits.PHONES_MAX)
    profile = StrictBoolean(required=False)
    memories = StrictBoolean(required=False)

    def validate(self, attrs: Any) -> Any:
        for name in ("emails", "phones"):
            _refuse_both(attrs, name, (f"inbound_{name}", f"outbound_{name}"))
        return attrs


class GroupChangesIn(NestedInput[GroupChanges]):
    """One group; lists are complete. `contactable` means both directions."""

    into = GroupChanges
    visible = StrictBoolean(required=False)
    contactable = Addresses()
    inbound_contactable = Addresses()
    outbound_contactable = Addresses()

    def validate(self, attrs: Any) -> Any:
        group: GroupChanges = attrs
        lists = ("inbound_contactable", "outbound_contactable")
        sent = {name: value for name in ("contactable", *lists) if (value := getattr(group, name)) is not UNSET}
        _refuse_both(sent, "contactable", lists)
        filled = [name for name, value in sent.items() if value]
        if group.visible is False and filled:
            raise serializers.ValidationError(dict.fromkeys(filled, "A hidden group has no contactable addresses."))
        return group


class AccessChangesIn(InputSerializer[AccessChanges]):
    """Any part of the access settings; what is left out stays."""

    into = AccessChanges
    email = GroupChangesIn(required=False)
    phone = GroupChangesIn(required=False)
    profile = StrictBoolean(required=False)
    memories = StrictBoolean(required=False)


@dataclass(frozen=True, slots=True)
class PermittedContact:
    """A new contact and what one identity may do with it."""

    fields: ContactFields
    identity_id: UUID
    changes: PermissionChanges | AccessChanges


class _PermissionsIn(serializers.Serializer[Any]):
    """Either maps of addresses, or groups."""

    identity_id = serializers.UUIDField()

    def to_internal_value(self, data: Any) -> Any:
        identity_id = super().to_internal_value(data)["identity_id"]
        groups = {"email", "phone"} & set(data)
        maps = {name for name in data if name.rpartition("_")[2] in ("emails", "phones")}
        if groups and maps:
            message = "Send either maps of addresses (emails, phones), or groups (email, phone)."
            raise serializers.ValidationError(dict.fromkeys(sorted(groups), message))
        form: Any = AccessChangesIn if groups else PermissionChangesIn
        return identity_id, form._build(data)


class PermittedContactIn(ContactFieldsIn):
    """A new contact with `permissions`."""

    permissions = _PermissionsIn()

    @classmethod
    def _build(cls, data: Any) -> Any:
        values = cls().run_validation(data)
        identity_id, changes = values.pop("permissions")
        return PermittedContact(ContactFields(**values), identity_id, changes)


class AddressDecisionIn(NestedInput[AddressDecision]):
    """A choice about one address."""

    into = AddressDecision
    kind = one_of(IdentifierKind)
    value = CleanText(max_length=limits.EMAIL_MAX_CHARS, trim_whitespace=True, allow_blank=False)
    action = one_of(Decision)
    direction = one_of(RuleDirection, required=False)
    expected_action = one_of(Decision, required=False)
    expected_inbound_action = one_of(Decision, required=False)
    expected_outbound_action = one_of(Decision, required=False)


class DefaultsIn(NestedInput[VisibilityChoice]):
    """What holds for identities without decisions of their own."""

    into = VisibilityChoice
    profile = one_of(Decision)
    memories = one_of(Decision)


class OverrideIn(DefaultsIn):
    """Decisions about one identity."""

    identity_id = serializers.UUIDField()


class VisibilityIn(NestedInput[VisibilityPolicy]):
    """Complete: identities that are not listed have no decisions afterwards."""

    into = VisibilityPolicy
    defaults = DefaultsIn()
    identities = items_of(OverrideIn, limits.ACCESS_IDENTITIES_MAX)

    def validate_identities(self, value: Any) -> Any:
        return tuple(value)


class PolicyChangesIn(InputSerializer[PolicyChanges]):
    """A policy replacement."""

    into = PolicyChanges
    expected_revision = serializers.IntegerField(min_value=0)
    identity_id = serializers.UUIDField()
    addresses = items_of(AddressDecisionIn, 2 * (limits.EMAILS_MAX + limits.PHONES_MAX))
    visibility = VisibilityIn(required=False)

    def validate_addresses(self, value: Any) -> Any:
        return tuple(value)


@dataclass(frozen=True, slots=True)
class OfIdentity:
    """Whose view is asked for, if anybody's."""

    identity_id: UUID | None = None


class OfIdentityIn(InputSerializer[OfIdentity]):
    """Query of a policy."""

    into = OfIdentity
    identity_id = serializers.UUIDField(required=False)


@dataclass(frozen=True, slots=True)
class ForIdentity:
    """Whose view is asked for."""

    identity_id: UUID


class PreviewIn(InputSerializer[ForIdentity]):
    """Query of a preview."""

    into = ForIdentity
    identity_id = serializers.UUIDField()


class RosterIn(ContactFilterIn):
    """Query of the management list; newest first unless said otherwise."""

    order = one_of(ContactOrder, default=ContactOrder.RECENT.value)


class PageIn(InputSerializer[ContactFilter]):
    """Query of the list of what an identity sees."""

    into = ContactFilter
    limit = serializers.IntegerField(min_value=1, max_value=limits.CONTACT_LIST_MAX, required=False)
    offset = serializers.IntegerField(min_value=0, max_value=limits.CONTACT_LIST_OFFSET_MAX, required=False)


def _map() -> serializers.DictField:
    return serializers.DictField(child=serializers.BooleanField())


class PermissionsOut(serializers.Serializer[Any]):
    """Yes or no for each address of the contact; blocked ones are listed too."""

    emails = _map()
    phones = _map()
    profile = serializers.BooleanField()
    memories = serializers.BooleanField()
    inbound_emails = _map()
    outbound_emails = _map()
    inbound_phones = _map()
    outbound_phones = _map()


def _texts() -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField())


class GroupOut(serializers.Serializer[Any]):
    """One group of an access setting; `contactable` is the outbound list."""

    visible = serializers.BooleanField()
    contactable = _texts()
    inbound_contactable = _texts()
    outbound_contactable = _texts()


class AccessSettingsOut(serializers.Serializer[Any]):
    """What an identity sees of a contact, and which addresses it may use."""

    email = GroupOut()
    phone = GroupOut()
    profile = serializers.BooleanField()
    memories = serializers.BooleanField()


class AddressOut(serializers.Serializer[Any]):
    """An address of a policy; `action` and `allowed` are the outbound ones."""

    kind = one_of(IdentifierKind)
    value = serializers.CharField()
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    action = one_of(Decision)
    allowed = serializers.BooleanField()
    inbound_action = one_of(Decision)
    outbound_action = one_of(Decision)
    allowed_inbound = serializers.BooleanField()
    allowed_outbound = serializers.BooleanField()


class DecisionsOut(serializers.Serializer[Any]):
    """Decisions about profile and memories."""

    profile = one_of(Decision)
    memories = one_of(Decision)


class OverrideOut(DecisionsOut):
    """Those of one identity."""

    identity_id = serializers.UUIDField()


class VisibilityPolicyOut(serializers.Serializer[Any]):
    """All visibility decisions of a contact."""

    defaults = DecisionsOut()
    identities = OverrideOut(many=True)


class VisibilityOut(serializers.Serializer[Any]):
    """What comes of the decisions."""

    profile = serializers.BooleanField()
    memories = serializers.BooleanField()


class PolicyOut(serializers.Serializer[Any]):
    """The policy of a contact; addresses are those of the identity that was asked about."""

    contact_id = serializers.UUIDField()
    revision = serializers.IntegerField()
    identity_id = serializers.UUIDField(allow_null=True)
    addresses = AddressOut(many=True)
    effective_visibility = VisibilityOut(allow_null=True)
    visibility = VisibilityPolicyOut()


class PreviewOut(serializers.Serializer[Any]):
    """A contact as one identity sees it; `email` and `phone` say whether it may write to an address or number."""

    identity_id = serializers.UUIDField()
    contact = ContactOut(allow_null=True)
    email = serializers.BooleanField()
    phone = serializers.BooleanField()
    full_profile = serializers.BooleanField()
    visibility = VisibilityOut()
    inbound_email = serializers.BooleanField()
    outbound_email = serializers.BooleanField()
    inbound_phone = serializers.BooleanField()
    outbound_phone = serializers.BooleanField()


class _PageOut(serializers.Serializer[Any]):
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    has_more = serializers.BooleanField()


class PreviewPageOut(_PageOut):
    """Contacts that an identity sees."""

    items = PreviewOut(many=True)


class SummaryOut(serializers.Serializer[Any]):
    """A contact, in short."""

    id = serializers.UUIDField()
    preferred_name = serializers.CharField(allow_null=True)
    given_name = serializers.CharField(allow_null=True)
    family_name = serializers.CharField(allow_null=True)
    company_name = serializers.CharField(allow_null=True)
    review_status = one_of(ReviewStatus)
    emails = EmailIn(many=True)
    phones = PhoneIn(many=True)


class EntryVisibilityOut(serializers.Serializer[Any]):
    """The defaults of a contact and the decisions of the identity."""

    defaults = DecisionsOut()
    identity_override = DecisionsOut()


_SHARES = ("all", "some", "none", "no_identifiers")


class EffectiveOut(serializers.Serializer[Any]):
    """What comes of all decisions and rules."""

    email = one_of(_SHARES)
    phone = one_of(_SHARES)
    profile = serializers.BooleanField()
    memories = serializers.BooleanField()
    inbound_email = one_of(_SHARES)
    outbound_email = one_of(_SHARES)
    inbound_phone = one_of(_SHARES)
    outbound_phone = one_of(_SHARES)


class EntryOut(serializers.Serializer[Any]):
    """A row of the management list."""

    contact = SummaryOut()
    revision = serializers.IntegerField()
    visibility = EntryVisibilityOut()
    effective = EffectiveOut()
    access = AccessSettingsOut()


class EntryPageOut(_PageOut):
    """All contacts of the organization, those that are hidden from the identity too."""

    items = EntryOut(many=True)
