"""Routes of this app. Without trailing slash: the middleware strips it, so both spellings arrive here."""

from __future__ import annotations

from django.urls import URLPattern, path

from notes.api.viewsets import NoteAccessViewSet, NoteViewSet

V1 = "api/v1"
_NOTE = f"{V1}/notes/<str:note_id>"

urlpatterns: list[URLPattern] = [
    path(f"{V1}/notes", NoteViewSet.as_view({"post": "create", "get": "list"})),
    path(_NOTE, NoteViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
    path(f"{_NOTE}/access", NoteAccessViewSet.as_view({"post": "create", "get": "list"})),
    path(f"{_NOTE}/access/<str:identity_id>", NoteAccessViewSet.as_view({"delete": "destroy"})),
]
