"""Django admin of this app: rows to look at, and of secrets never more than their names."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from identities.admin_base import ReadOnlyAdmin
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultKey, VaultSecret


@admin.register(Vault)
class VaultAdmin(ReadOnlyAdmin):
    """Vaults. They are made and deleted by their organizations, which alone can open them."""

    list_display: ClassVar[list[str]] = ["id", "organization", "created_at", "updated_at"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["organization__id", "organization__name"]
    fields: ClassVar[list[str]] = ["id", "organization", "salt_organization_id", "created_at", "updated_at"]


@admin.register(VaultKey)
class VaultKeyAdmin(ReadOnlyAdmin):
    """Keys, without what they wrap and how they are recognized."""

    list_display: ClassVar[list[str]] = ["id", "key_type", "vault", "created_by", "created_at"]
    list_filter: ClassVar[list[str]] = ["key_type"]
    list_select_related: ClassVar[list[str]] = ["vault"]
    search_fields: ClassVar[list[str]] = ["vault__organization__id"]
    fields: ClassVar[list[str]] = ["id", "vault", "key_type", "created_by", "created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[VaultKey]:
        rows: QuerySet[VaultKey] = super().get_queryset(request)
        return rows.defer("wrapped_org_encryption_key", "auth_digest")


@admin.register(VaultSecret)
class VaultSecretAdmin(ReadOnlyAdmin):
    """Secrets, without their ciphertext, which is not even loaded."""

    list_display: ClassVar[list[str]] = ["name", "secret_type", "vault", "size_bytes", "updated_at"]
    list_filter: ClassVar[list[str]] = ["secret_type"]
    list_select_related: ClassVar[list[str]] = ["vault"]
    search_fields: ClassVar[list[str]] = ["name", "vault__organization__id"]
    fields: ClassVar[list[str]] = [
        "id",
        "vault",
        "name",
        "description",
        "secret_type",
        "size_bytes",
        "revision",
        "created_at",
        "updated_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[VaultSecret]:
        rows: QuerySet[VaultSecret] = super().get_queryset(request)
        return rows.defer("encrypted_payload")


@admin.register(SecretAccess)
class SecretAccessAdmin(ReadOnlyAdmin):
    """Which identity may read which secret."""

    list_display: ClassVar[list[str]] = ["vault_secret", "identity", "created_at"]
    search_fields: ClassVar[list[str]] = ["vault_secret__name", "identity__agent_handle"]
    fields: ClassVar[list[str]] = ["id", "vault_secret", "identity", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SecretAccess]:
        rows: QuerySet[SecretAccess] = super().get_queryset(request)
        return rows.select_related("vault_secret", "identity").defer("vault_secret__encrypted_payload")


@admin.register(VaultAuditEntry)
class VaultAuditAdmin(ReadOnlyAdmin):
    """Who did what with a vault."""

    list_display: ClassVar[list[Any]] = ["created_at", "action", "organization", "caller_id", "caller_identity_id"]
    list_filter: ClassVar[list[str]] = ["action", "caller_scope"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["organization__id", "caller_id"]
    ordering: ClassVar[list[str]] = ["-created_at", "-pk"]
