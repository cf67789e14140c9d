"""Who may look at an identity (contract identities.md section 9), a feature of clients 0.4.4 to 0.5.12."""

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
from identities.api.serializers import IdentityAccessOut
from identities.api.viewsets import MANAGERS
from identities.errors import AccessNotFound
from identities.selectors import get_identity, list_access
from identities.services.visibility import close_identity, open_identity

_EVERY_AGENT = "*"


@dataclass(frozen=True, slots=True)
class NewViewer:
    """Whom to show an identity; None is every agent of the organization."""

    viewer_identity_id: UUID | None = None


class NewViewerIn(InputSerializer[NewViewer]):
    """One viewer; null, or nothing at all, is every agent of the organization, in place of the viewers so far."""

    into = NewViewer
    # A field that is misspelt would otherwise open the identity to everybody.
    strict = True
    viewer_identity_id = serializers.UUIDField(required=False, allow_null=True)


class IdentityAccessViewSet(ApiViewSet):
    """Which agents see an identity besides itself; to look at, not to change."""

    allowed: ClassVar[Any] = MANAGERS

    @extend_schema(operation_id="list_identity_access", responses=IdentityAccessOut(many=True))
    def list(self, request: ApiRequest, handle: str) -> Response:
        """Nothing (only people, admin keys and itself see it), one row without viewer, or one for each viewer."""
        return Response(IdentityAccessOut.render_many(list_access(get_identity(request.principal, handle))))

    @extend_schema(operation_id="grant_identity_access", request=NewViewerIn, responses={201: IdentityAccessOut})
    def create(self, request: ApiRequest, handle: str) -> Response:
        """Show the identity to one agent, or to all."""
        new = NewViewerIn.parse(request)
        row = open_identity(request.principal, get_identity(request.principal, handle), new.viewer_identity_id)
        return Response(IdentityAccessOut.render(row), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="revoke_identity_access", responses={204: None})
    def destroy(self, request: ApiRequest, handle: str, viewer_identity_id: str) -> Response:
        """Hide the identity from one viewer; with `*` in place of the id, no longer show it to every agent."""
        identity = get_identity(request.principal, handle)
        viewer = None if viewer_identity_id == _EVERY_AGENT else parse_uuid(viewer_identity_id)
        if viewer is None and viewer_identity_id != _EVERY_AGENT:
            raise AccessNotFound
        close_identity(request.principal, identity, viewer)
        return Response(status=status.HTTP_204_NO_CONTENT)
