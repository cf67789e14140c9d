"""Shapes of facts, merges and bulk deletes (contract contacts-notes.md sections 3.2 and 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from rest_framework import serializers

from common.api.inputs import CleanText, InputSerializer, NestedInput, QueryBoolean
from contacts import limits
from contacts.api.contact_shapes import MemoryOut
from contacts.api.fields import Ids, items_of, one_of
from contacts.enums import Availability, FactKind, FactOrigin
from contacts.services.facts import FactChanges, NewCitation, NewFact


class Locator(serializers.DictField):
    """Where in the source: any small object."""

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        if len(orjson.dumps(found)) > limits.LOCATOR_MAX_BYTES:
            raise serializers.ValidationError(f"Send at most {limits.LOCATOR_MAX_BYTES} bytes of JSON.")
        if "\\u0000" in orjson.dumps(found).decode():
            raise serializers.ValidationError("Remove NUL characters.")
        return found


class CitationIn(NestedInput[NewCitation]):
    """A message that the fact rests on."""

    into = NewCitation
    source_type = one_of(["email"])
    source_id = serializers.UUIDField()
    source_locator = Locator(default=dict)


class NewFactIn(InputSerializer[NewFact]):
    """A fact written by hand. `citations` are an addition of this server."""

    into = NewFact
    content = CleanText(max_length=limits.FACT_MAX_CHARS, allow_blank=False, trim_whitespace=True)
    kind = one_of(FactKind)
    citations = items_of(CitationIn, limits.CITATIONS_PER_FACT_MAX)


class FactChangesIn(InputSerializer[FactChanges]):
    """New words, a new kind, or both."""

    into = FactChanges
    content = CleanText(max_length=limits.FACT_MAX_CHARS, allow_blank=False, trim_whitespace=True, required=False)
    kind = one_of(FactKind, required=False)


@dataclass(frozen=True, slots=True)
class FactFilter:
    """Query of a list of facts."""

    include_expired: bool = False


class FactFilterIn(InputSerializer[FactFilter]):
    """Whether expired context is listed too."""

    into = FactFilter
    include_expired = QueryBoolean(required=False)


class CitationOut(serializers.Serializer[Any]):
    source_type = serializers.CharField()
    availability = serializers.ChoiceField(choices=[a.value for a in Availability])
    source_id = serializers.UUIDField(allow_null=True)
    source_url = serializers.CharField(allow_null=True)
    source_locator = serializers.DictField(allow_null=True)


class FactOut(serializers.Serializer[Any]):
    """A fact (rendered by contacts/facts.py)."""

    id = serializers.UUIDField()
    contact_id = serializers.UUIDField()
    content = serializers.CharField()
    kind = serializers.ChoiceField(choices=[k.value for k in FactKind])
    origin = serializers.ChoiceField(choices=[o.value for o in FactOrigin])
    confidence = serializers.CharField(allow_null=True)
    locked_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    citations = CitationOut(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class CitationDetailOut(serializers.Serializer[Any]):
    source_type = serializers.CharField()
    source_id = serializers.UUIDField()
    source_locator = serializers.DictField()
    source_url = serializers.CharField()


class DeletedFactOut(serializers.Serializer[Any]):
    """What is left after a fact was deleted."""

    deleted_fact_id = serializers.UUIDField()
    memory_count = serializers.IntegerField()
    latest_memory = MemoryOut(allow_null=True)


@dataclass(frozen=True, slots=True)
class Merge:
    """The body of a merge."""

    losing_contact_ids: list[UUID]
    field_sources: dict[str, UUID] = field(default_factory=dict)


class MergeIn(InputSerializer[Merge]):
    """Which contacts go, and where text fields come from."""

    into = Merge
    losing_contact_ids = Ids(limits.MERGE_LOSERS_MAX, allow_empty=False)
    field_sources = serializers.DictField(child=serializers.UUIDField(), required=False)


@dataclass(frozen=True, slots=True)
class BulkDelete:
    """Which contacts to delete."""

    contact_ids: list[UUID]


class BulkDeleteIn(InputSerializer[BulkDelete]):
    """One to 100 contacts."""

    into = BulkDelete
    contact_ids = Ids(limits.BULK_DELETE_MAX, allow_empty=False)


class BulkDeleteResultOut(serializers.Serializer[Any]):
    contact_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["deleted", "error"])
    error = serializers.CharField(allow_null=True)
    error_code = serializers.CharField(allow_null=True)


class BulkDeleteOut(serializers.Serializer[Any]):
    deleted_count = serializers.IntegerField()
    error_count = serializers.IntegerField()
    results = BulkDeleteResultOut(many=True)
