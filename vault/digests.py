"""What is stored of an auth hash: enough to recognize it, useless to whoever reads the database."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from common.sealed import purpose_key

_PURPOSE = "vault-auth-hash"


def auth_digest(vault_id: UUID, auth_hash: str) -> bytes:
    """32 bytes, keyed with the server's secret and bound to the vault. Any text has one."""
    return hmac.digest(purpose_key(_PURPOSE), vault_id.bytes + auth_hash.encode(), hashlib.sha256)
