"""Shapes of contacts (contract contacts-notes.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.api.inputs import CleanText, InputSerializer, QueryInvalid, StrictBoolean
from common.unset import UNSET, Unset
from contacts import limits
from contacts.api.fields import Block, Ids, Line, items_of, one_of
from contacts.contact_selectors import ContactFilter, Lookup
from contacts.content import ContactFields
from contacts.enums import ContactOrder, CreationSource, NameSource, ReviewStatus
from contacts.identifiers import digits_of


class LabeledIn(serializers.Serializer[Any]):
    """An item of a list, with an optional label."""

    label = Line(limits.LABEL_MAX_CHARS)  # type: ignore[assignment]  # a field, not the label of the serializer


class EmailIn(LabeledIn):
    value = CleanText(max_length=limits.EMAIL_MAX_CHARS, trim_whitespace=True)
    is_primary = StrictBoolean(required=False)


class PhoneIn(LabeledIn):
    value_e164 = CleanText(max_length=limits.PHONE_MAX_CHARS, trim_whitespace=True)
    is_primary = StrictBoolean(required=False)


class WebsiteIn(LabeledIn):
    url = CleanText(max_length=limits.URL_MAX_CHARS, trim_whitespace=True)


class DateIn(LabeledIn):
    date = serializers.DateField(input_formats=["%Y-%m-%d"])


class PostalAddressIn(LabeledIn):
    street = Block(limits.ADDRESS_PART_MAX_CHARS)
    city = Line(limits.ADDRESS_PART_MAX_CHARS)
    region = Line(limits.ADDRESS_PART_MAX_CHARS)
    postal = Line(limits.ADDRESS_PART_MAX_CHARS)
    country = Line(limits.ADDRESS_PART_MAX_CHARS)


class CustomFieldIn(serializers.Serializer[Any]):
    label = CleanText(  # type: ignore[assignment]
        max_length=limits.LABEL_MAX_CHARS, trim_whitespace=True, allow_blank=False
    )
    value = CleanText(max_length=limits.CUSTOM_VALUE_MAX_CHARS)


class ContactFieldsIn(InputSerializer[Any]):
    """A new contact, or a merge patch of one: absent means unchanged, null clears, a list replaces the whole list."""

    into = ContactFields
    preferred_name = Line(limits.PREFERRED_NAME_MAX_CHARS)
    name_prefix = Line(limits.NAME_AFFIX_MAX_CHARS)
    given_name = Line(limits.NAME_PART_MAX_CHARS)
    middle_name = Line(limits.NAME_PART_MAX_CHARS)
    family_name = Line(limits.NAME_PART_MAX_CHARS)
    name_suffix = Line(limits.NAME_AFFIX_MAX_CHARS)
    company_name = Line(limits.COMPANY_MAX_CHARS)
    job_title = Line(limits.JOB_TITLE_MAX_CHARS)
    birthday = serializers.DateField(input_formats=["%Y-%m-%d"], required=False, allow_null=True)
    notes = CleanText(max_length=limits.NOTES_MAX_CHARS, required=False, allow_null=True)
    emails = items_of(EmailIn, limits.EMAILS_MAX, allow_null=True)
    phones = items_of(PhoneIn, limits.PHONES_MAX, allow_null=True)
    websites = items_of(WebsiteIn, limits.WEBSITES_MAX, allow_null=True)
    dates = items_of(DateIn, limits.DATES_MAX, allow_null=True)
    addresses = items_of(PostalAddressIn, limits.ADDRESSES_MAX, allow_null=True)
    custom_fields = items_of(CustomFieldIn, limits.CUSTOM_FIELDS_MAX, allow_null=True)


class ContactChangesIn(ContactFieldsIn):
    """A merge patch of a contact."""

    review_status = one_of(ReviewStatus, required=False)  # since 0.5.1


@dataclass(frozen=True, slots=True)
class NewContact:
    """The body of contact create. Absent or null `access_identity_ids` shows the contact to every agent."""

    fields: ContactFields
    access_identity_ids: Sequence[UUID] | Unset | None = UNSET


class NewContactIn(ContactFieldsIn):
    """A new contact, with the agents that see it (until 0.4.20; later clients never send them)."""

    access_identity_ids = Ids(limits.ACCESS_IDENTITIES_MAX, required=False, allow_null=True)

    @classmethod
    def _build(cls, data: Any) -> Any:
        values = cls().run_validation(data)
        access = values.pop("access_identity_ids", UNSET)
        return NewContact(ContactFields(**values), access)


class ContactFilterIn(InputSerializer[ContactFilter]):
    """Query of a contact list; read by `parse_repeated`."""

    into = ContactFilter
    q = CleanText(max_length=limits.QUERY_MAX_CHARS, required=False)
    order = one_of(ContactOrder, required=False)
    review_status = serializers.ListField(child=one_of(ReviewStatus), required=False, source="review_statuses")
    limit = serializers.IntegerField(min_value=1, max_value=limits.CONTACT_LIST_MAX, required=False)
    offset = serializers.IntegerField(min_value=0, max_value=limits.CONTACT_LIST_OFFSET_MAX, required=False)


class LookupIn(InputSerializer[Lookup]):
    """Query of a look-up: exactly one parameter."""

    into = Lookup
    email = CleanText(max_length=limits.EMAIL_MAX_CHARS, required=False, allow_blank=False)
    email_contains = CleanText(max_length=limits.EMAIL_MAX_CHARS, required=False, allow_blank=False)
    email_domain = CleanText(max_length=limits.EMAIL_MAX_CHARS, required=False, allow_blank=False)
    phone = CleanText(max_length=limits.QUERY_MAX_CHARS, required=False, allow_blank=False)
    phone_contains = CleanText(max_length=limits.QUERY_MAX_CHARS, required=False, allow_blank=False)

    def validate_email_contains(self, value: str) -> str:
        if not value.strip():
            raise serializers.ValidationError("Send a part of an address.")
        return value

    def validate_phone_contains(self, value: str) -> str:
        if not digits_of(value):
            raise serializers.ValidationError("Send some digits of a number.")
        return value

    def validate(self, attrs: Any) -> Any:
        if len(attrs) != 1:
            names = ", ".join(field.name for field in fields(Lookup))
            raise QueryInvalid(f"Send exactly one of: {names}.")
        return attrs


class ContactAccessOut(serializers.Serializer[Any]):
    """Who sees a contact, as clients until 0.4.20 know it; null stands for every identity."""

    id = serializers.UUIDField()
    contact_id = serializers.UUIDField()
    identity_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()


class MemoryOut(serializers.Serializer[Any]):
    """The newest fact of a contact."""

    id = serializers.UUIDField()
    content = serializers.CharField()
    updated_at = serializers.DateTimeField()


def _shown(kind: Any) -> Any:
    return kind(many=True)


class ContactOut(serializers.Serializer[Any]):
    """A contact (rendered by contacts/describing.py)."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    preferred_name = serializers.CharField(allow_null=True)
    name_prefix = serializers.CharField(allow_null=True)
    given_name = serializers.CharField(allow_null=True)
    middle_name = serializers.CharField(allow_null=True)
    family_name = serializers.CharField(allow_null=True)
    name_suffix = serializers.CharField(allow_null=True)
    company_name = serializers.CharField(allow_null=True)
    job_title = serializers.CharField(allow_null=True)
    birthday = serializers.DateField(allow_null=True)
    notes = serializers.CharField(allow_null=True)
    emails = _shown(EmailIn)
    phones = _shown(PhoneIn)
    websites = _shown(WebsiteIn)
    dates = _shown(DateIn)
    addresses = _shown(PostalAddressIn)
    custom_fields = _shown(CustomFieldIn)
    access = ContactAccessOut(many=True)
    status = serializers.CharField()
    creation_source = serializers.ChoiceField(choices=[c.value for c in CreationSource])
    review_status = serializers.ChoiceField(choices=[r.value for r in ReviewStatus])
    reviewed_at = serializers.DateTimeField(allow_null=True)
    reviewed_by = serializers.CharField(allow_null=True)
    preferred_name_source = serializers.ChoiceField(choices=[n.value for n in NameSource])
    preferred_name_locked_at = serializers.DateTimeField(allow_null=True)
    created_by_identity_id = serializers.UUIDField(allow_null=True)
    merged_into_contact_id = serializers.UUIDField(allow_null=True)
    is_auto_created = serializers.BooleanField()
    is_confirmed = serializers.BooleanField()
    memory_count = serializers.IntegerField(allow_null=True)
    latest_memory = MemoryOut(allow_null=True)
    slack_accounts = serializers.ListField(child=serializers.DictField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
