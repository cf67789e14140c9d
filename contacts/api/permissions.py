"""Who may see and write to whom (contract contacts-notes.md section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.viewsets import ApiRequest, ApiViewSet
from contacts.api import permission_shapes as shapes
from contacts.api.contact_shapes import ContactOut
from contacts.api.fields import parse_repeated
from contacts.api.viewsets import CALLERS
from contacts.contact_selectors import ContactFilter, contacts_seen_by, filtered_contacts, get_contact
from contacts.describing import describe_contact
from contacts.models import Contact
from contacts.permission_bodies import access_body, entry_body, permissions_body, policy_body, preview_bodies
from contacts.services.permissions import create_permitted_contact, update_access, update_permissions
from contacts.services.policies import replace_policy
from contacts.standing import standing_of, standings
from identities.api.viewsets import MANAGERS
from identities.selectors import get_identity, get_identity_by_id


class PermissionViewSet(ApiViewSet):
    """One identity and one contact: address by address, or group by group."""

    allowed: ClassVar[Any] = MANAGERS

    @extend_schema(operation_id="contact_permissions_retrieve", responses=shapes.PermissionsOut)
    def retrieve(self, request: ApiRequest, handle: str, contact_id: str) -> Response:
        """Yes or no for each address."""
        identity = get_identity(request.principal, handle)
        contact = get_contact(request.principal, contact_id)
        return Response(permissions_body(standing_of(identity, contact)))

    @extend_schema(
        operation_id="contact_permissions_update", request=shapes.PermissionChangesIn, responses=shapes.PermissionsOut
    )
    def partial_update(self, request: ApiRequest, handle: str, contact_id: str) -> Response:
        """Decide about some addresses, the profile, memories."""
        changes = shapes.PermissionChangesIn.parse(request)
        identity = get_identity(request.principal, handle)
        contact = get_contact(request.principal, contact_id)
        return Response(permissions_body(update_permissions(request.principal, identity, contact, changes)))

    @extend_schema(operation_id="contact_access_settings_retrieve", responses=shapes.AccessSettingsOut)
    def retrieve_access(self, request: ApiRequest, handle: str, contact_id: str) -> Response:
        """What is visible, and the addresses that may be used."""
        identity = get_identity(request.principal, handle)
        contact = get_contact(request.principal, contact_id)
        return Response(access_body(standing_of(identity, contact)))

    @extend_schema(
        operation_id="contact_access_settings_update",
        request=shapes.AccessChangesIn,
        responses=shapes.AccessSettingsOut,
    )
    def update_access(self, request: ApiRequest, handle: str, contact_id: str) -> Response:
        """Decide about groups; lists are complete."""
        changes = shapes.AccessChangesIn.parse(request)
        identity = get_identity(request.principal, handle)
        contact = get_contact(request.principal, contact_id)
        return Response(access_body(update_access(request.principal, identity, contact, changes)))


class PolicyViewSet(ApiViewSet):
    """One contact: its policy, and a look at it through the eyes of an identity."""

    allowed: ClassVar[Any] = MANAGERS

    @extend_schema(
        operation_id="contacts_create_with_permissions",
        request=shapes.PermittedContactIn,
        responses={201: ContactOut},
    )
    def create(self, request: ApiRequest) -> Response:
        """A new contact with what one identity may do, or neither."""
        new = shapes.PermittedContactIn.parse(request)
        identity = get_identity_by_id(request.principal, new.identity_id)
        contact = create_permitted_contact(request.principal, identity, new.fields, new.changes)
        return Response(describe_contact(request.principal, contact), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="contact_policy_retrieve", parameters=[shapes.OfIdentityIn], responses=shapes.PolicyOut)
    def retrieve(self, request: ApiRequest, contact_id: str) -> Response:
        """The choices about a contact; with an identity, also those about its addresses."""
        of = shapes.OfIdentityIn.parse_query(request)
        contact = get_contact(request.principal, contact_id)
        if of.identity_id is None:
            return Response(policy_body(contact, None, None))
        identity = get_identity_by_id(request.principal, of.identity_id)
        return Response(policy_body(contact, standing_of(identity, contact), identity))

    @extend_schema(operation_id="contact_policy_replace", request=shapes.PolicyChangesIn, responses=shapes.PolicyOut)
    def update(self, request: ApiRequest, contact_id: str) -> Response:
        """Change what is listed, unless somebody else changed it meanwhile."""
        changes = shapes.PolicyChangesIn.parse(request)
        contact = get_contact(request.principal, contact_id)
        contact, identity, standing = replace_policy(request.principal, contact, changes)
        return Response(policy_body(contact, standing, identity))

    @extend_schema(operation_id="contact_preview", parameters=[shapes.PreviewIn], responses=shapes.PreviewOut)
    def preview(self, request: ApiRequest, contact_id: str) -> Response:
        """The contact as an identity sees it."""
        of = shapes.PreviewIn.parse_query(request)
        contact = get_contact(request.principal, contact_id)
        identity = get_identity_by_id(request.principal, of.identity_id)
        return Response(preview_bodies(identity, [standing_of(identity, contact)])[0])


class RosterViewSet(ApiViewSet):
    """One identity: its contacts."""

    allowed: ClassVar[Any] = MANAGERS
    allowed_by_action: ClassVar[dict[str, Any]] = {"visible": CALLERS}

    @extend_schema(operation_id="contact_permissions_list", parameters=[shapes.RosterIn], responses=shapes.EntryPageOut)
    def list(self, request: ApiRequest, handle: str) -> Response:
        """All contacts of the organization, with what the identity may do; hidden ones too."""
        wanted = parse_repeated(shapes.RosterIn, request, "review_status")
        identity = get_identity(request.principal, handle)
        contacts, page = _page(Contact.objects.visible_to(request.principal), wanted)
        return Response({"items": [entry_body(one) for one in standings(identity, contacts)], **page})

    @extend_schema(operation_id="contact_policies_list", parameters=[shapes.PageIn], responses=shapes.PreviewPageOut)
    def visible(self, request: ApiRequest, handle: str) -> Response:
        """What the identity sees. Agents ask for themselves."""
        wanted = shapes.PageIn.parse_query(request)
        identity = get_identity(request.principal, handle)
        contacts, page = _page(contacts_seen_by(identity), wanted)
        return Response({"items": preview_bodies(identity, standings(identity, contacts)), **page})


def _page(rows: QuerySet[Contact], wanted: ContactFilter) -> tuple[Sequence[Contact], dict[str, Any]]:
    found = filtered_contacts(rows, wanted, wanted.limit + 1)
    return found[: wanted.limit], {
        "limit": wanted.limit,
        "offset": wanted.offset,
        "has_more": len(found) > wanted.limit,
    }
