"""Routes of notes and their grants (contract contacts-notes.md section 6)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.response import Response

from common.api.viewsets import ApiRequest, ApiViewSet
from common.ids import parse_uuid
from common.principal import Scope
from identities.api.viewsets import MANAGERS
from notes.api.serializers import NewGrantIn, NewNoteIn, NoteAccessOut, NoteChangesIn, NoteFilterIn, NoteOut
from notes.errors import GrantNotFound
from notes.selectors import get_note, list_grants, list_notes
from notes.services.access import grant_access, revoke_access
from notes.services.notes import create_note, delete_note, update_note

_MEMBERS = MANAGERS | {Scope.AGENT}


@extend_schema_view(
    create=extend_schema(operation_id="notes_create", request=NewNoteIn, responses={201: NoteOut}),
    list=extend_schema(operation_id="notes_list", parameters=[NoteFilterIn], responses=NoteOut(many=True)),
    retrieve=extend_schema(operation_id="notes_retrieve", responses=NoteOut),
    partial_update=extend_schema(operation_id="notes_update", request=NoteChangesIn, responses=NoteOut),
    destroy=extend_schema(operation_id="notes_delete", responses={204: None}),
)
class NoteViewSet(ApiViewSet):
    """Notes of an organization; agent keys see, change and delete those that their identity was granted."""

    allowed: ClassVar[Any] = _MEMBERS

    def create(self, request: ApiRequest) -> Response:
        note = create_note(request.principal, NewNoteIn.parse(request))
        return Response(NoteOut.render(note), status=status.HTTP_201_CREATED)

    def list(self, request: ApiRequest) -> Response:
        return Response(NoteOut.render_many(list_notes(request.principal, NoteFilterIn.parse_query(request))))

    def retrieve(self, request: ApiRequest, note_id: str) -> Response:
        return Response(NoteOut.render(get_note(request.principal, note_id)))

    def partial_update(self, request: ApiRequest, note_id: str) -> Response:
        changes = NoteChangesIn.parse(request)
        update_note(request.principal, note_id, changes)
        return Response(NoteOut.render(get_note(request.principal, note_id)))

    def destroy(self, request: ApiRequest, note_id: str) -> Response:
        delete_note(request.principal, note_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(
    create=extend_schema(operation_id="note_access_grant", request=NewGrantIn, responses={201: NoteAccessOut}),
    list=extend_schema(operation_id="note_access_list", responses=NoteAccessOut(many=True)),
    destroy=extend_schema(operation_id="note_access_revoke", responses={204: None}),
)
class NoteAccessViewSet(ApiViewSet):
    """Who may see a note. An agent key may end its own access."""

    allowed: ClassVar[Any] = _MEMBERS
    allowed_by_action: ClassVar[dict[str, Any]] = {"create": MANAGERS}

    def create(self, request: ApiRequest, note_id: str) -> Response:
        new = NewGrantIn.parse(request)
        grant = grant_access(request.principal, note_id, new.identity_id)
        return Response(NoteAccessOut.render(grant), status=status.HTTP_201_CREATED)

    def list(self, request: ApiRequest, note_id: str) -> Response:
        return Response(NoteAccessOut.render_many(list_grants(request.principal, note_id)))

    def destroy(self, request: ApiRequest, note_id: str, identity_id: str) -> Response:
        note = get_note(request.principal, note_id)
        identity = parse_uuid(identity_id)
        if identity is None:
            raise GrantNotFound
        revoke_access(request.principal, note, identity)
        return Response(status=status.HTTP_204_NO_CONTENT)
