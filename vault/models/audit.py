"""Who did what with a vault. Rows are added, never changed; old ones are forgotten as a whole."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, Self
from uuid import UUID

from django.db import models

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.models import Organization
from vault.enums import VaultAction


class VaultAuditQuerySet(models.QuerySet["VaultAuditEntry"]):
    """Reads, and the two things that may happen to old entries."""

    def visible_to(self, principal: Principal) -> Self:
        """Entries of the organization, for those who manage it."""
        rows = self.filter(organization_id=principal.organization_id)
        return rows if principal.manages_organization else rows.none()

    def update(self, **_: Any) -> NoReturn:
        raise TypeError("Audit entries are not changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Audit entries are not deleted.")

    def follow_vault(self, vault_id: UUID, organization_id: str) -> None:
        """The vault has moved to another organization, and its history goes with it."""
        super(VaultAuditQuerySet, self.filter(vault_id=vault_id)).update(organization_id=organization_id)

    def forget(self, ids: list[UUID]) -> int:
        """End of the retention time; returns how many there were."""
        return super(VaultAuditQuerySet, self.filter(pk__in=ids)).delete()[0]


class VaultAuditEntry(models.Model):
    """Ids only: no names, hashes or ciphertext. Ids are no foreign keys, because entries outlive what they name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="vault_audit")
    vault_id = models.UUIDField()
    action = models.CharField(max_length=24, choices=[(a.value, a.value) for a in VaultAction])
    caller_scope = models.CharField(max_length=16, help_text="Kind of credential or caller.")
    caller_id = models.CharField(max_length=64, help_text="API key or person.")
    caller_identity_id = models.UUIDField(null=True, help_text="The identity of an agent key.")
    secret_id = models.UUIDField(null=True)
    key_id = models.UUIDField(null=True, help_text="The vault key that was used, made or removed.")
    identity_id = models.UUIDField(null=True, help_text="Whose access was granted or revoked.")
    secret_count = models.IntegerField(null=True, help_text="How many secrets the caller was handed.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = VaultAuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "-created_at", "-id"], name="vault_audit_newest"),
            models.Index(fields=["organization", "secret_id", "-created_at"], name="vault_audit_of_secret"),
            models.Index(fields=["created_at"], name="vault_audit_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.action} at {self.created_at:%Y-%m-%d %H:%M:%S}"
