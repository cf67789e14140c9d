"""Create, change and delete secrets. Payloads are ciphertext: they are stored and measured, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Sum

from common.clock import now
from common.db import again_when_undone
from common.principal import Principal
from common.unset import UNSET, Unset
from vault import limits
from vault.enums import VaultAction
from vault.errors import SecretChanged, SecretExists, SecretNotFound, VaultFull
from vault.models import SecretAccess, Vault, VaultSecret
from vault.selectors import get_vault, require_writer
from vault.services.access import lock_identity
from vault.services.audit import record_vault_use
from vault.services.locking import lock_vault


@dataclass(frozen=True, slots=True)
class NewSecret:
    """The body of secret create."""

    id: UUID
    name: str
    secret_type: str
    encrypted_payload: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class SecretChanges:
    """The body of secret update; UNSET means unchanged."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    encrypted_payload: str | Unset = UNSET


@again_when_undone
def create_secret(principal: Principal, new: NewSecret) -> VaultSecret:
    """A secret; the agent that creates it may read it. Raises RoleTooLow 403, VaultNotFound 404, SecretExists and
    VaultFull 409.
    """
    require_writer(principal)
    with transaction.atomic():
        vault = lock_vault(get_vault(principal))
        if principal.identity_id is not None:
            lock_identity(principal, principal.identity_id)
        moment = now()
        secret = VaultSecret(
            id=new.id,
            vault=vault,
            name=new.name,
            description=new.description,
            secret_type=new.secret_type,
            encrypted_payload=new.encrypted_payload,
            created_at=moment,
            updated_at=moment,
        )
        secret.size_bytes = _size(secret)
        _refuse_overflow(vault, added_rows=1, added_bytes=secret.size_bytes)
        try:
            with transaction.atomic():
                secret.save(force_insert=True)
        except IntegrityError:
            raise SecretExists from None
        if principal.identity_id is not None:
            SecretAccess.objects.create(vault_secret=secret, identity_id=principal.identity_id)
        record_vault_use(
            principal, vault, VaultAction.SECRET_CREATED, secret_id=secret.pk, identity_id=principal.identity_id
        )
    return secret


@again_when_undone
def update_secret(
    principal: Principal, secret: VaultSecret, changes: SecretChanges, revisions: frozenset[int] | None = None
) -> VaultSecret:
    """Apply the supplied fields; the last write wins unless the caller names the `revisions` it expects.

    Nothing supplied changes nothing. Raises RoleTooLow 403, SecretNotFound 404, VaultFull 409, SecretChanged 412.
    """
    require_writer(principal)
    with transaction.atomic():
        lock_vault(secret.vault)
        row = _lock_secret(principal, secret, revisions)
        if changes == SecretChanges():
            return row
        before = row.size_bytes
        if changes.name is not UNSET:
            row.name = changes.name
        if changes.description is not UNSET:
            row.description = changes.description
        if changes.encrypted_payload is not UNSET:
            row.encrypted_payload = changes.encrypted_payload
        row.size_bytes = _size(row)
        if row.size_bytes > before:
            _refuse_overflow(row.vault, added_rows=0, added_bytes=row.size_bytes - before)
        row.revision += 1
        row.updated_at = now()
        row.save()
        record_vault_use(principal, row.vault, VaultAction.SECRET_UPDATED, secret_id=row.pk)
    return row


@again_when_undone
def delete_secret(principal: Principal, secret: VaultSecret, revisions: frozenset[int] | None = None) -> None:
    """The ciphertext and its access rules go for good. Raises RoleTooLow 403, SecretNotFound 404, SecretChanged 412."""
    require_writer(principal)
    with transaction.atomic():
        lock_vault(secret.vault)
        row = _lock_secret(principal, secret, revisions)
        VaultSecret.objects.filter(pk=row.pk).delete()
        record_vault_use(principal, row.vault, VaultAction.SECRET_DELETED, secret_id=row.pk)


def _lock_secret(principal: Principal, secret: VaultSecret, revisions: frozenset[int] | None) -> VaultSecret:
    rows = VaultSecret.objects.visible_to(principal).select_for_update(of=("self",)).select_related("vault")
    row = rows.filter(pk=secret.pk).first()
    if row is None:
        raise SecretNotFound
    if revisions is not None and row.revision not in revisions:
        raise SecretChanged(row.revision)
    return row


def _size(secret: VaultSecret) -> int:
    texts = (secret.name, secret.description or "", secret.encrypted_payload)
    return sum(len(text.encode()) for text in texts)


def _refuse_overflow(vault: Vault, *, added_rows: int, added_bytes: int) -> None:
    held = VaultSecret.objects.filter(vault=vault).aggregate(rows=Count("pk"), size=Sum("size_bytes", default=0))
    if held["rows"] + added_rows > limits.SECRETS_PER_VAULT_MAX or held["size"] + added_bytes > limits.VAULT_MAX_BYTES:
        raise VaultFull
