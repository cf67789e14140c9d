"""Secrets and which identities may read them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models

from common.clock import now
from common.ids import uuid7
from common.principal import Principal, Scope
from identities.models import AgentIdentity
from vault import limits
from vault.enums import SecretType
from vault.models.vault import Vault


class VaultSecretQuerySet(models.QuerySet["VaultSecret"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """Admin keys and members see every secret, claimed agents what was granted to them."""
        rows = self.filter(vault__organization_id=principal.organization_id)
        if principal.sees_organization:
            return rows
        if principal.scope is not Scope.AGENT:
            return rows.none()
        # Of one identity there is at most one rule, so the join repeats no row.
        return rows.filter(access_rules__identity_id=principal.identity_id)


class VaultSecret(models.Model):
    """Name, description and type are readable here; the payload is what the client encrypted."""

    # Made by the client, which binds the ciphertext to it.
    id = models.UUIDField(primary_key=True, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=limits.NAME_MAX_CHARS)
    description = models.TextField(null=True, blank=True)
    secret_type = models.CharField(max_length=16, choices=[(t.value, t.value) for t in SecretType])
    # Base64 as it was sent.
    encrypted_payload = models.TextField(editable=False)
    size_bytes = models.IntegerField(editable=False, help_text="Name, description and payload.")
    revision = models.IntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    objects = VaultSecretQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=models.Q(secret_type__in=[t.value for t in SecretType]), name="vault_secret_type_known"
            )
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["vault", "-created_at"], name="vault_secret_newest")]

    def __str__(self) -> str:
        return self.name


class SecretAccess(models.Model):
    """An identity may read a secret. Without a rule no agent does; there is no wildcard."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    vault_secret = models.ForeignKey(VaultSecret, on_delete=models.CASCADE, related_name="access_rules")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, related_name="secret_access")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name_plural = "secret access"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["vault_secret", "identity"], name="vault_access_unique")
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} reads {self.vault_secret_id}"
