"""What clients compute (contract vault.md section 3)."""

from __future__ import annotations

import base64
import hashlib
import os

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES, _TAG_BYTES = 12, 16


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def derive_master_key(password: str, organization_id: str) -> bytes:
    """Argon2id over the vault key or recovery code, salted with the organization's id."""
    return hash_secret_raw(password.encode(), organization_id.encode(), 3, 65536, 1, 32, Type.ID, 0x13)


def hash_of(master_key: bytes) -> str:
    """The auth hash."""
    return hashlib.sha256(master_key).hexdigest()


def encrypt(key: bytes, content: bytes, bound_id: str, nonce: bytes | None = None) -> str:
    """Ciphertext, nonce, tag in base64."""
    nonce = nonce or os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, content, bound_id.encode())
    return b64(sealed[:-_TAG_BYTES] + nonce + sealed[-_TAG_BYTES:])


def decrypt(key: bytes, blob: str, bound_id: str) -> bytes:
    """The reverse; raises InvalidTag for the wrong key or id."""
    raw = base64.b64decode(blob)
    body, nonce, tag = (
        raw[: -_NONCE_BYTES - _TAG_BYTES],
        raw[-_NONCE_BYTES - _TAG_BYTES : -_TAG_BYTES],
        raw[-_TAG_BYTES:],
    )
    return AESGCM(key).decrypt(nonce, body + tag, bound_id.encode())
