"""Models, one aggregate a module."""

from vault.models.audit import VaultAuditEntry
from vault.models.secret import SecretAccess, VaultSecret
from vault.models.vault import Vault, VaultKey

__all__ = ["SecretAccess", "Vault", "VaultAuditEntry", "VaultKey", "VaultSecret"]
