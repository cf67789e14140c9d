"""Routes of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from vault.api.secrets import VaultAccessViewSet, VaultSecretViewSet
from vault.api.viewsets import VaultKeyViewSet, VaultViewSet

_VAULT = "api/v1/vault"
_SECRET = f"{_VAULT}/secrets/<str:secret_id>"

urlpatterns: list[URLPattern] = [
    path(_VAULT, VaultViewSet.as_view({"delete": "destroy"})),
    path(f"{_VAULT}/info", VaultViewSet.as_view({"get": "info"})),
    path(f"{_VAULT}/initialize", VaultViewSet.as_view({"post": "initialize"})),
    path(f"{_VAULT}/unlock", VaultViewSet.as_view({"get": "unlock"})),
    path(f"{_VAULT}/audit", VaultViewSet.as_view({"get": "audit"})),
    path(f"{_VAULT}/keys", VaultKeyViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{_VAULT}/keys/primary", VaultKeyViewSet.as_view({"put": "change_primary"})),
    path(f"{_VAULT}/keys/<str:auth_hash>", VaultKeyViewSet.as_view({"delete": "destroy"})),
    path(f"{_VAULT}/secrets", VaultSecretViewSet.as_view({"get": "list", "post": "create"})),
    path(_SECRET, VaultSecretViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
    path(f"{_SECRET}/access", VaultAccessViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{_SECRET}/access/<str:identity_id>", VaultAccessViewSet.as_view({"delete": "destroy"})),
]
