"""Vaults, keys and secrets of random ciphertext. What has to open is made with vault_envelope.py."""

from __future__ import annotations

import os
import secrets
from typing import Any
from uuid import UUID, uuid4

from common.principal import Principal
from identities.models import AgentIdentity, Organization
from tests.factories.identities import admin_principal
from tests.factories.vault_envelope import b64
from vault.enums import KeyType, SecretType
from vault.models import Vault, VaultSecret
from vault.services.access import grant_access
from vault.services.keys import KeyMaterial, NewVault, initialize_vault
from vault.services.secrets import NewSecret, create_secret


def auth_hash() -> str:
    """Of a key that nobody knows."""
    return secrets.token_hex(32)


def material(key_type: KeyType = KeyType.PRIMARY, **fields: Any) -> dict[str, Any]:
    """A key as a client sends it."""
    return {
        "id": str(uuid4()),
        "wrapped_org_encryption_key": b64(os.urandom(60)),
        "auth_hash": auth_hash(),
        "key_type": key_type.value,
        **fields,
    }


def new_vault_body(**fields: Any) -> dict[str, Any]:
    """The body of initialize."""
    recovery = [material(KeyType.RECOVERY) for _ in range(4)]
    return {"vault_key": material(), "recovery_keys": recovery, **fields}


def vault_of(organization: Organization, body: dict[str, Any] | None = None) -> Vault:
    """The initialized vault of an organization."""
    body = body or new_vault_body()
    keys = [KeyMaterial(**{**key, "id": UUID(key["id"])}) for key in (body["vault_key"], *body["recovery_keys"])]
    return initialize_vault(admin_principal(organization), NewVault(keys[0], keys[1:]))


def secret_body(**fields: Any) -> dict[str, Any]:
    """The body of secret create."""
    return {
        "id": str(uuid4()),
        "name": "A secret",
        "secret_type": SecretType.LOGIN.value,
        "encrypted_payload": b64(os.urandom(80)),
        **fields,
    }


def secret_of(vault: Vault, *identities: AgentIdentity, **fields: Any) -> VaultSecret:
    """A secret that these identities may read."""
    body = secret_body(**fields)
    principal: Principal = admin_principal(vault.organization)
    row = create_secret(principal, NewSecret(**{**body, "id": UUID(body["id"])}))
    for identity in identities:
        grant_access(principal, row, identity.pk)
    return row
