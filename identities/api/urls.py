"""Routes of this app. Without trailing slash: the middleware strips it, so both spellings arrive here."""

from __future__ import annotations

from django.urls import URLPattern, path

from identities.api.testing import TestingViewSet
from identities.api.viewsets import (
    ApiKeyViewSet,
    IdentitySigningKeyViewSet,
    IdentityViewSet,
    SigningKeyViewSet,
    WhoamiViewSet,
)

V1 = "api/v1"

urlpatterns: list[URLPattern] = [
    path(f"{V1}/identities", IdentityViewSet.as_view({"post": "create", "get": "list"})),
    path(
        f"{V1}/identities/<str:handle>",
        IdentityViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(
        f"{V1}/identities/<str:handle>/signing-key",
        IdentitySigningKeyViewSet.as_view({"post": "create", "get": "retrieve"}),
    ),
    path(f"{V1}/signing-keys", SigningKeyViewSet.as_view({"post": "create", "get": "retrieve"})),
    path(f"{V1}/api-keys", ApiKeyViewSet.as_view({"post": "create", "get": "list"})),
    path(f"{V1}/api-keys/self", ApiKeyViewSet.as_view({"get": "retrieve_self"})),
    path(f"{V1}/api-keys/<str:key_id>", ApiKeyViewSet.as_view({"delete": "destroy"})),
    path("api/whoami", WhoamiViewSet.as_view({"get": "retrieve"})),
    path(f"{V1}/whoami", WhoamiViewSet.as_view({"get": "retrieve"})),
    path(f"{V1}/testing/create-test-user-organization", TestingViewSet.as_view({"post": "create_account"})),
    path(f"{V1}/testing/create-session-jwt", TestingViewSet.as_view({"post": "create_session"})),
    path(f"{V1}/testing/cleanup-test-user-organization", TestingViewSet.as_view({"post": "clean_up"})),
]
