"""Create and delete vaults, change their keys (contract vault.md sections 1, 4.3, 4.4).

The server sees wrapped keys and auth hashes. Whether a wrapped key is worth anything only the client can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from common.clock import now
from common.db import again_when_undone
from common.ids import uuid7
from common.principal import Principal
from identities.roles import require_manager
from vault.digests import auth_digest
from vault.enums import KeyType, VaultAction
from vault.errors import (
    KeyInUse,
    KeyMismatch,
    KeyNotFound,
    ProofMissing,
    RecoveryKeyNotFound,
    VaultExists,
)
from vault.keyring import plan_addition, plan_change, plan_deletion
from vault.models import Vault, VaultKey, VaultSecret
from vault.selectors import get_vault
from vault.services.audit import caller_id, record_vault_use
from vault.services.locking import lock_vault
from vault.services.proofs import check_attempts, count_refusal


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A key that the client made."""

    id: UUID
    wrapped_org_encryption_key: str
    auth_hash: str
    key_type: str = KeyType.PRIMARY.value


@dataclass(frozen=True, slots=True)
class NewVault:
    """The body of initialize."""

    vault_key: KeyMaterial
    recovery_keys: Sequence[KeyMaterial]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The body of a key change; one of the two hashes is the proof."""

    id: UUID
    wrapped_org_encryption_key: str
    auth_hash: str
    current_auth_hash: str | None = None
    recovery_auth_hash: str | None = None


def initialize_vault(principal: Principal, new: NewVault) -> Vault:
    """The organization's vault with its first keys. Raises RoleTooLow 403, VaultExists and KeyInUse 409."""
    require_manager(principal)
    assert principal.organization_id is not None
    vault = Vault(id=uuid7(), organization_id=principal.organization_id, salt_organization_id=principal.organization_id)
    with transaction.atomic():
        try:
            with transaction.atomic():
                vault.save(force_insert=True)
        except IntegrityError:
            raise VaultExists from None
        _insert(principal, vault, [new.vault_key, *new.recovery_keys])
        record_vault_use(principal, vault, VaultAction.VAULT_INITIALIZED, key_id=new.vault_key.id)
    return vault


@again_when_undone
def delete_vault(principal: Principal) -> None:
    """Everything in it goes, at once and for good. Raises RoleTooLow 403, VaultNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        vault = lock_vault(get_vault(principal))
        # Before their access rules, as a new identity does.
        list(VaultSecret.objects.filter(vault=vault).select_for_update().order_by("pk").values_list("pk"))
        Vault.objects.filter(pk=vault.pk).delete()
        record_vault_use(principal, vault, VaultAction.VAULT_DELETED)


def add_primary_key(principal: Principal, material: KeyMaterial) -> VaultKey:
    """One more vault key. Raises RoleTooLow 403, VaultNotFound 404, KeyInUse and TooManyKeys 409."""
    require_manager(principal)
    with transaction.atomic():
        vault = lock_vault(get_vault(principal))
        plan_addition(list(vault.keys.all()), material.id, auth_digest(vault.pk, material.auth_hash))
        [key] = _insert(principal, vault, [material])
        record_vault_use(principal, vault, VaultAction.KEY_ADDED, key_id=key.pk)
    return key


def change_primary_key(principal: Principal, change: KeyChange) -> VaultKey:
    """The new key takes the place of every primary key, and of the recovery key that proved the change.

    Of two changes at the same time the second finds that its proof is gone. Raises ProofMissing 400, RoleTooLow and
    KeyMismatch 403, VaultNotFound and RecoveryKeyNotFound 404, KeyInUse 409, RateLimited 429.
    """
    require_manager(principal)
    is_recovery = change.recovery_auth_hash is not None
    proof = change.recovery_auth_hash if is_recovery else change.current_auth_hash
    if proof is None or (is_recovery and change.current_auth_hash is not None):
        raise ProofMissing
    vault = get_vault(principal)
    check_attempts(principal, vault)
    try:
        with transaction.atomic():
            vault = lock_vault(vault)
            removed = plan_change(
                list(vault.keys.all()),
                auth_digest(vault.pk, proof),
                KeyType.RECOVERY if is_recovery else KeyType.PRIMARY,
                change.id,
                auth_digest(vault.pk, change.auth_hash),
            )
            VaultKey.objects.filter(pk__in=[key.pk for key in removed]).delete()
            material = KeyMaterial(change.id, change.wrapped_org_encryption_key, change.auth_hash)
            [key] = _insert(principal, vault, [material])
            action = VaultAction.KEY_RECOVERED if is_recovery else VaultAction.KEY_CHANGED
            record_vault_use(principal, vault, action, key_id=key.pk)
    except (KeyMismatch, RecoveryKeyNotFound):
        count_refusal(principal, vault)
        raise
    return key


def delete_key(principal: Principal, auth_hash: str) -> None:
    """End a key; it stops matching at once. Raises RoleTooLow 403, VaultNotFound and KeyNotFound 404, LastPrimaryKey
    409, RateLimited 429.
    """
    require_manager(principal)
    vault = get_vault(principal)
    check_attempts(principal, vault)
    try:
        with transaction.atomic():
            vault = lock_vault(vault)
            key = plan_deletion(list(vault.keys.all()), auth_digest(vault.pk, auth_hash))
            VaultKey.objects.filter(pk=key.pk).delete()
            _touch(vault)
            record_vault_use(principal, vault, VaultAction.KEY_DELETED, key_id=key.pk)
    except KeyNotFound:
        count_refusal(principal, vault)
        raise


def _insert(principal: Principal, vault: Vault, materials: Iterable[KeyMaterial]) -> list[VaultKey]:
    moment = now()
    rows = [
        VaultKey(
            id=material.id,
            vault=vault,
            key_type=material.key_type,
            auth_digest=auth_digest(vault.pk, material.auth_hash),
            wrapped_org_encryption_key=material.wrapped_org_encryption_key,
            created_by=caller_id(principal),
            created_at=moment,
            updated_at=moment,
        )
        for material in materials
    ]
    try:
        with transaction.atomic():
            for row in rows:
                row.save(force_insert=True)
    except IntegrityError:
        raise KeyInUse from None
    _touch(vault)
    return rows


def _touch(vault: Vault) -> None:
    vault.updated_at = now()
    vault.save(update_fields=["updated_at"])
