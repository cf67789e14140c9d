"""Reads of a vault by the API: what is handed out is written down first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.principal import Principal
from identities.models import AgentIdentity
from vault.digests import auth_digest
from vault.enums import VaultAction
from vault.keyring import find_key
from vault.models import SecretAccess, VaultKey
from vault.selectors import (
    VaultCounts,
    count_vault,
    get_secret,
    get_vault,
    list_access,
    list_grants,
    list_keys,
    secret_row,
    secret_rows,
)
from vault.services.audit import record_vault_use
from vault.services.proofs import check_attempts, count_refusal


@dataclass(frozen=True, slots=True)
class Bundle:
    """What an unlock hands out. `wrapped_keys` is None unless a manager asked without an auth hash."""

    wrapped_key: str | None
    wrapped_keys: list[VaultKey] | None
    secrets: list[dict[str, Any]]


def unlock_vault(principal: Principal, auth_hash: str | None) -> Bundle:
    """The wrapped key of the hash and the secrets that the caller may read; nothing for a hash that fits no key.

    Without a hash: the secrets, and for managers every key as it is stored. Raises VaultNotFound 404, RateLimited 429.
    """
    vault = get_vault(principal)
    keys = VaultKey.objects.filter(vault=vault)
    if auth_hash is None:
        secrets = secret_rows(principal, vault, with_payload=True)
        record_vault_use(principal, vault, VaultAction.BUNDLE_READ, secret_count=len(secrets))
        every = list(keys.order_by("key_type", "created_at", "pk")) if principal.manages_organization else None
        return Bundle(None, every, secrets)
    check_attempts(principal, vault)
    key = find_key(keys, auth_digest(vault.pk, auth_hash))
    if key is None:
        count_refusal(principal, vault)
        return Bundle(None, None, [])
    secrets = secret_rows(principal, vault, with_payload=True)
    record_vault_use(principal, vault, VaultAction.UNLOCKED, key_id=key.pk, secret_count=len(secrets))
    return Bundle(key.wrapped_org_encryption_key, None, secrets)


def read_info(principal: Principal) -> VaultCounts:
    """Raises VaultNotFound."""
    vault = get_vault(principal)
    record_vault_use(principal, vault, VaultAction.INFO_READ)
    return count_vault(vault)


def read_keys(principal: Principal, key_type: str | None) -> list[VaultKey]:
    """Raises VaultNotFound."""
    vault = get_vault(principal)
    record_vault_use(principal, vault, VaultAction.KEYS_LISTED)
    return list_keys(vault, key_type)


def read_secrets(principal: Principal, secret_type: str | None) -> list[dict[str, Any]]:
    """Without payloads. Raises VaultNotFound."""
    vault = get_vault(principal)
    rows = secret_rows(principal, vault, secret_type=secret_type)
    record_vault_use(principal, vault, VaultAction.SECRETS_LISTED, secret_count=len(rows))
    return rows


def read_secret(principal: Principal, secret_id: str) -> dict[str, Any]:
    """With its payload. Raises VaultNotFound, SecretNotFound."""
    secret = get_secret(principal, secret_id)
    row = secret_row(principal, secret, with_payload=True)
    record_vault_use(principal, secret.vault, VaultAction.SECRET_READ, secret_id=secret.pk)
    return row


def read_access(principal: Principal, secret_id: str) -> list[SecretAccess]:
    """Raises VaultNotFound, SecretNotFound."""
    secret = get_secret(principal, secret_id)
    record_vault_use(principal, secret.vault, VaultAction.ACCESS_LISTED, secret_id=secret.pk)
    return list_access(principal, secret)


def read_grants(principal: Principal, identity: AgentIdentity) -> list[SecretAccess]:
    """Which secrets an identity may read, without payloads. Raises VaultNotFound."""
    vault = get_vault(principal)
    rows = list_grants(principal, identity)
    record_vault_use(principal, vault, VaultAction.SECRETS_LISTED, secret_count=len(rows))
    return rows
