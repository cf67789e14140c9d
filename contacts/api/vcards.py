"""vCards in and out (contract contacts-notes.md section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from common.api.inputs import InputSerializer
from common.api.viewsets import ApiRequest, ApiViewSet
from common.principal import Principal
from contacts import limits
from contacts.api.contact_shapes import ContactOut
from contacts.api.fields import Ids
from contacts.api.viewsets import CALLERS
from contacts.contact_selectors import get_contact, get_contacts
from contacts.describing import describe_contact, describe_contacts
from contacts.enums import ImportStatus
from contacts.errors import ImportTooLarge, NotVcard
from contacts.services.vcards import CardResult, import_cards
from contacts.vcards.writing import VCARD_TYPE, write_card, write_cards

_TYPES = frozenset({"text/vcard", "text/x-vcard"})


class CardResultOut(serializers.Serializer[Any]):
    """What became of one card. `warnings` (an addition of this server) names what was not taken as it is."""

    index = serializers.IntegerField()
    status = serializers.ChoiceField(choices=[s.value for s in ImportStatus])
    contact = ContactOut(allow_null=True)
    error = serializers.CharField(allow_null=True)
    conflicting_contact_id = serializers.UUIDField(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())


class ImportOut(serializers.Serializer[Any]):
    """Conflicts count as errors."""

    created_count = serializers.IntegerField()
    error_count = serializers.IntegerField()
    results = CardResultOut(many=True)


class ImportViewSet(ApiViewSet):
    """Address books of other programs."""

    allowed: ClassVar[Any] = CALLERS

    @extend_schema(
        operation_id="contacts_import",
        request=dict.fromkeys(sorted(_TYPES), OpenApiTypes.BINARY),
        responses=ImportOut,
    )
    def create(self, request: ApiRequest) -> Response:
        """Store the cards of a file. It is 200 even when every card fails: each has a result of its own."""
        return Response(_import_body(request.principal, import_cards(request.principal, _raw_body(request))))


def _raw_body(request: ApiRequest) -> bytes:
    """Raises NotVcard 415, ImportTooLarge 413 before anything large is read."""
    if (request.content_type or "").partition(";")[0].strip().lower() not in _TYPES:
        raise NotVcard
    raw: bytes = request._request.read(limits.IMPORT_MAX_BYTES + 1)
    if len(raw) > limits.IMPORT_MAX_BYTES:
        raise ImportTooLarge(limits.IMPORT_MAX_BYTES)
    return raw


def _import_body(principal: Principal, results: list[CardResult]) -> dict[str, Any]:
    made = [result.contact for result in results if result.contact is not None]
    bodies = {body["id"]: body for body in describe_contacts(principal, made)}
    return {
        "created_count": len(made),
        "error_count": len(results) - len(made),
        "results": [
            {
                "index": result.index,
                "status": result.status.value,
                "contact": bodies[result.contact.pk] if result.contact is not None else None,
                "error": result.error,
                "conflicting_contact_id": result.conflicting_contact_id,
                "warnings": result.warnings,
            }
            for result in results
        ],
    }


@dataclass(frozen=True, slots=True)
class Export:
    """Which contacts to write."""

    contact_ids: list[UUID]


class ExportIn(InputSerializer[Export]):
    """One to 25 contacts, written in this order."""

    into = Export
    contact_ids = Ids(limits.EXPORT_CONTACTS_MAX, allow_empty=False)


class ExportOut(serializers.Serializer[Any]):
    """Cards one after the other."""

    content_type = serializers.CharField()
    contact_count = serializers.IntegerField()
    vcard = serializers.CharField()


class ExportViewSet(ApiViewSet):
    """Contacts as vCards 4.0, as far as the caller sees them."""

    allowed: ClassVar[Any] = CALLERS

    @extend_schema(operation_id="contacts_vcard", responses={(200, "text/vcard"): OpenApiTypes.STR})
    def retrieve(self, request: ApiRequest, contact_id: str) -> HttpResponse:
        """One card as a file."""
        body = describe_contact(request.principal, get_contact(request.principal, contact_id))
        response = HttpResponse(write_card(body).encode(), content_type=VCARD_TYPE)
        response["Content-Disposition"] = content_disposition_header(
            as_attachment=True, filename=f"{body['preferred_name']}.vcf"
        )
        return response

    @extend_schema(operation_id="contacts_vcard_export", request=ExportIn, responses=ExportOut)
    def create(self, request: ApiRequest) -> Response:
        """Several cards in one text."""
        wanted = ExportIn.parse(request)
        bodies = describe_contacts(request.principal, get_contacts(request.principal, wanted.contact_ids))
        return Response(
            {"content_type": VCARD_TYPE, "contact_count": len(bodies), "vcard": write_cards(bodies)},
        )
