"""Product numbers of this app."""

from __future__ import annotations

# AES-256-GCM of a 32-byte key: ciphertext, 12 bytes nonce, 16 bytes tag (contract vault.md section 3).
WRAPPED_KEY_BYTES = 60
NONCE_AND_TAG_BYTES = 28
AUTH_HASH_CHARS = 64
RECOVERY_KEYS = 4
PRIMARY_KEYS_MAX = 10

NAME_MAX_CHARS = 255
DESCRIPTION_MAX_CHARS = 4000
PAYLOAD_MAX_BYTES = 256 * 1024

# An unlock answers with all of a vault at once: these bound it.
SECRETS_PER_VAULT_MAX = 5000
VAULT_MAX_BYTES = 64 * 1024 * 1024

GRANT_BATCH = 500

# Auth hashes that fit no key, of one caller at one vault. Then even the right one is refused for the rest of it.
REFUSED_KEYS_PER_MINUTE = 10

AUDIT_PURGE_BATCH = 1000
