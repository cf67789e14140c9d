"""Contacts and who sees them (contract contacts-notes.md sections 1, 2 and 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from common.api.inputs import InputSerializer
from common.api.viewsets import ApiRequest, ApiViewSet
from common.ids import parse_uuid
from common.principal import Scope
from contacts.api.contact_shapes import (
    ContactAccessOut,
    ContactChangesIn,
    ContactFilterIn,
    ContactOut,
    LookupIn,
    NewContactIn,
)
from contacts.api.fields import parse_repeated
from contacts.contact_selectors import get_contact, list_contacts, look_up_contacts
from contacts.describing import describe_contact, describe_contacts
from contacts.errors import AccessRowNotFound
from contacts.services.access import grant_access, list_access, revoke_access
from contacts.services.contacts import create_contact, delete_contact, update_contact
from identities.api.viewsets import MANAGERS

CALLERS = MANAGERS | {Scope.AGENT}


class ContactViewSet(ApiViewSet):
    """Contacts that the caller may see."""

    allowed: ClassVar[Any] = CALLERS

    @extend_schema(operation_id="contacts_list", parameters=[ContactFilterIn], responses=ContactOut(many=True))
    def list(self, request: ApiRequest) -> Response:
        """By name, or newest first."""
        wanted = parse_repeated(ContactFilterIn, request, "review_status")
        return Response(describe_contacts(request.principal, list_contacts(request.principal, wanted)))

    @extend_schema(operation_id="contacts_create", request=NewContactIn, responses={201: ContactOut})
    def create(self, request: ApiRequest) -> Response:
        """A new contact; agents make them too."""
        new = NewContactIn.parse(request)
        contact = create_contact(request.principal, new.fields, new.access_identity_ids)
        return Response(describe_contact(request.principal, contact), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="contacts_lookup", parameters=[LookupIn], responses=ContactOut(many=True))
    def lookup(self, request: ApiRequest) -> Response:
        """Who an address or number belongs to; nobody is an empty list."""
        wanted = LookupIn.parse_query(request)
        return Response(describe_contacts(request.principal, look_up_contacts(request.principal, wanted)))

    @extend_schema(operation_id="contacts_retrieve", responses=ContactOut)
    def retrieve(self, request: ApiRequest, contact_id: str) -> Response:
        """One contact."""
        return Response(describe_contact(request.principal, get_contact(request.principal, contact_id)))

    @extend_schema(operation_id="contacts_update", request=ContactChangesIn, responses=ContactOut)
    def partial_update(self, request: ApiRequest, contact_id: str) -> Response:
        """A JSON merge patch (RFC 7396)."""
        fields = ContactChangesIn.parse(request)
        contact = update_contact(request.principal, get_contact(request.principal, contact_id), fields)
        return Response(describe_contact(request.principal, contact))

    @extend_schema(operation_id="contacts_delete", responses={204: None})
    def destroy(self, request: ApiRequest, contact_id: str) -> Response:
        """Delete a contact with its facts."""
        delete_contact(request.principal, get_contact(request.principal, contact_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom to show the contact; None is everybody."""

    identity_id: UUID | None


class GrantIn(InputSerializer[Grant]):
    """The key is required: null means everybody."""

    into = Grant
    identity_id = serializers.UUIDField(allow_null=True)


class ContactAccessViewSet(ApiViewSet):
    """Grants as clients until 0.4.20 write them; later ones only read them."""

    allowed: ClassVar[Any] = CALLERS
    allowed_by_action: ClassVar[dict[str, Any]] = {"create": MANAGERS}

    @extend_schema(operation_id="contact_access_list", responses=ContactAccessOut(many=True))
    def list(self, request: ApiRequest, contact_id: str) -> Response:
        """One row for everybody, or one for each identity that sees the contact."""
        rows = list_access(get_contact(request.principal, contact_id))
        return Response([row.body for row in rows])

    @extend_schema(operation_id="contact_access_grant", request=GrantIn, responses={201: ContactAccessOut})
    def create(self, request: ApiRequest, contact_id: str) -> Response:
        """Show the contact to one identity, or to everybody."""
        grant = GrantIn.parse(request)
        row = grant_access(request.principal, get_contact(request.principal, contact_id), grant.identity_id)
        return Response(row.body, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="contact_access_revoke", responses={204: None})
    def destroy(self, request: ApiRequest, contact_id: str, identity_id: str) -> Response:
        """Hide the contact from one identity."""
        contact, pk = get_contact(request.principal, contact_id), parse_uuid(identity_id)
        if pk is None:
            raise AccessRowNotFound
        revoke_access(request.principal, contact, pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
