"""Routes of this app. Without trailing slash: the middleware strips it, so both spellings arrive here."""

from __future__ import annotations

from django.urls import URLPattern, path

from identities.api.access import IdentityAccessViewSet
from identities.api.avatars import AvatarViewSet
from identities.api.organization_domains import DomainAffiliationViewSet, OrganizationDomainViewSet
from identities.api.sessions import SessionTokensViewSet, SessionTokenViewSet
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
    path(
        f"{V1}/identities/<str:handle>/avatar",
        AvatarViewSet.as_view({"put": "update", "get": "retrieve", "delete": "destroy"}),
    ),
    path(f"{V1}/identities/<str:handle>/access", IdentityAccessViewSet.as_view({"post": "create", "get": "list"})),
    path(
        f"{V1}/identities/<str:handle>/access/<str:viewer_identity_id>",
        IdentityAccessViewSet.as_view({"delete": "destroy"}),
    ),
    path(
        f"{V1}/identities/<str:handle>/domain-affiliation",
        DomainAffiliationViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
    ),
    path(f"{V1}/organization-domains", OrganizationDomainViewSet.as_view({"post": "create", "get": "list"})),
    path(
        f"{V1}/organization-domains/<str:claim_id>",
        OrganizationDomainViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
    ),
    path(f"{V1}/organization-domains/<str:claim_id>/verify", OrganizationDomainViewSet.as_view({"post": "verify"})),
    path(f"{V1}/signing-keys", SigningKeyViewSet.as_view({"post": "create", "get": "retrieve"})),
    path(f"{V1}/api-keys", ApiKeyViewSet.as_view({"post": "create", "get": "list"})),
    path(f"{V1}/api-keys/self", ApiKeyViewSet.as_view({"get": "retrieve_self"})),
    path(f"{V1}/api-keys/<str:key_id>", ApiKeyViewSet.as_view({"delete": "destroy"})),
    path(f"{V1}/auth/token", SessionTokenViewSet.as_view({"post": "create"})),
    path(f"{V1}/auth/token/revoke", SessionTokensViewSet.as_view({"post": "revoke_current"})),
    path(f"{V1}/auth/tokens", SessionTokensViewSet.as_view({"get": "list"})),
    path(f"{V1}/auth/tokens/<str:token_id>", SessionTokensViewSet.as_view({"delete": "destroy"})),
    path(f"{V1}/auth/revoke", SessionTokensViewSet.as_view({"post": "revoke_all"})),
    path("api/whoami", WhoamiViewSet.as_view({"get": "retrieve"})),
    path(f"{V1}/whoami", WhoamiViewSet.as_view({"get": "retrieve"})),
    path(f"{V1}/testing/create-test-user-organization", TestingViewSet.as_view({"post": "create_account"})),
    path(f"{V1}/testing/create-session-jwt", TestingViewSet.as_view({"post": "create_session"})),
    path(f"{V1}/testing/cleanup-test-user-organization", TestingViewSet.as_view({"post": "clean_up"})),
]
