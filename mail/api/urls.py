"""Routes of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from mail.api.viewsets import BlobViewSet, MailboxViewSet, MessageViewSet, ThreadViewSet

_BOX = "api/v1/mail/mailboxes/<str:address>"

urlpatterns: list[URLPattern] = [
    path("api/v1/mail/mailboxes", MailboxViewSet.as_view({"get": "list", "post": "not_built"})),
    path(_BOX, MailboxViewSet.as_view({"get": "retrieve", "patch": "not_built", "delete": "not_built"})),
    path(f"{_BOX}/messages", MessageViewSet.as_view({"get": "list", "post": "create"})),
    path(
        f"{_BOX}/messages/<str:message_id>",
        MessageViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(f"{_BOX}/messages/<str:message_id>/attachments/<str:filename>", MessageViewSet.as_view({"get": "attachment"})),
    path(f"{_BOX}/threads", ThreadViewSet.as_view({"get": "list"})),
    path(f"{_BOX}/threads/folders", ThreadViewSet.as_view({"get": "folders"})),
    path(
        f"{_BOX}/threads/<str:thread_id>",
        ThreadViewSet.as_view({"get": "retrieve", "patch": "not_built", "delete": "not_built"}),
    ),
    path("blobs/<str:token>", BlobViewSet.as_view({"get": "retrieve"})),
]
