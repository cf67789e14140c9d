"""Values that go on the wire."""

from __future__ import annotations

from enum import StrEnum


class KeyType(StrEnum):
    """`primary`: made of the vault key; `recovery`: made of a recovery code."""

    PRIMARY = "primary"
    RECOVERY = "recovery"


class SecretType(StrEnum):
    """What the ciphertext holds. Clients fail to unlock when they meet a value that is not one of these."""

    API_KEY = "api_key"
    KEY_PAIR = "key_pair"
    LOGIN = "login"
    SSH_KEY = "ssh_key"
    OTHER = "other"


class VaultAction(StrEnum):
    """What was done with a vault. Values are at most 24 characters."""

    VAULT_INITIALIZED = "vault_initialized"
    VAULT_DELETED = "vault_deleted"
    INFO_READ = "info_read"
    KEYS_LISTED = "keys_listed"
    KEY_ADDED = "key_added"
    KEY_CHANGED = "key_changed"
    KEY_RECOVERED = "key_recovered"
    KEY_DELETED = "key_deleted"
    # An auth hash that belongs to no key, or not to the kind of key that was needed.
    KEY_REFUSED = "key_refused"
    UNLOCKED = "unlocked"
    # Unlock without an auth hash: the caller gets no key, or, as a manager, all of them wrapped.
    BUNDLE_READ = "bundle_read"
    SECRETS_LISTED = "secrets_listed"
    SECRET_READ = "secret_read"  # noqa: S105  (an action)
    SECRET_CREATED = "secret_created"  # noqa: S105
    SECRET_UPDATED = "secret_updated"  # noqa: S105
    SECRET_DELETED = "secret_deleted"  # noqa: S105
    ACCESS_LISTED = "access_listed"
    ACCESS_GRANTED = "access_granted"
    ACCESS_REVOKED = "access_revoked"
