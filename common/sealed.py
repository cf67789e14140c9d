"""Secrets that must be readable again (webhook signing keys, DKIM keys): AES-256-GCM under the server's secret key."""

from __future__ import annotations

import os
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_NONCE_BYTES = 12


@lru_cache(maxsize=32)
def derive_key(purpose: str, secret: str, length: int = 32) -> bytes:
    """A key for one purpose from the server secret (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=purpose.encode()).derive(secret.encode())


def purpose_key(purpose: str) -> bytes:
    """32 bytes derived from INKBOX_SECRET_KEY for `purpose`."""
    return derive_key(purpose, settings.SECRET_KEY)


def seal(purpose: str, plain: bytes) -> bytes:
    """Encrypt for storage; `purpose` is bound to the result, so a value cannot be moved to another column."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(purpose_key(purpose)).encrypt(nonce, plain, purpose.encode())


def unseal(purpose: str, sealed: bytes) -> bytes:
    """The plain value. Raises cryptography.exceptions.InvalidTag when the secret key changed."""
    data = bytes(sealed)
    return AESGCM(purpose_key(purpose)).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], purpose.encode())
