"""A vault and the keys that open it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models

from common.clock import now
from common.ids import uuid7
from common.principal import Principal, Scope
from identities.models import Organization
from vault.enums import KeyType


class VaultQuerySet(models.QuerySet["Vault"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """The vault of the organization; agents that nobody vouches for see none."""
        rows = self.filter(organization_id=principal.organization_id)
        return rows if principal.sees_organization or principal.scope is Scope.AGENT else rows.none()


class Vault(models.Model):
    """At most one for an organization. Deleting it deletes keys, secrets and access rules."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="vault")
    # Clients derive every key with this id as salt, so it stays the one the vault was made under, whoever owns it.
    salt_organization_id = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    objects = VaultQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Vault of {self.organization_id}"


class VaultKey(models.Model):
    """The organization's encryption key, wrapped by the client under a vault key or recovery code."""

    # Made by the client, which binds the wrapped key to it.
    id = models.UUIDField(primary_key=True, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="keys")
    key_type = models.CharField(max_length=8, choices=[(t.value, t.value) for t in KeyType])
    auth_digest = models.BinaryField(max_length=32, editable=False)
    wrapped_org_encryption_key = models.CharField(max_length=80, editable=False)
    created_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["vault", "auth_digest"], name="vault_key_digest_unique"),
            models.CheckConstraint(
                condition=models.Q(key_type__in=[t.value for t in KeyType]), name="vault_key_type_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key_type} key {self.id}"
