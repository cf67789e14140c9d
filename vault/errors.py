"""Refusals of this app."""

from __future__ import annotations

from common.errors import Conflict, DomainError, Forbidden, NotFound
from vault import limits


class VaultNotFound(NotFound):
    """No vault yet. Clients take a 404 of `info` to mean exactly this."""

    def __init__(self) -> None:
        super().__init__("The vault is not initialized. Initialize it with an admin key first.")


class VaultExists(Conflict):
    """An organization has one vault."""

    def __init__(self) -> None:
        super().__init__("The organization has a vault already. Unlock it, or delete it in the console to start over.")


class ProofMissing(DomainError):
    """400: none or both of the proofs of a key change."""

    status = 400

    def __init__(self) -> None:
        super().__init__("Send exactly one of current_auth_hash and recovery_auth_hash.")


class KeyMismatch(Forbidden):
    """The proof of a key change is not that of a primary key, or not any more."""

    def __init__(self) -> None:
        super().__init__(
            "current_auth_hash does not belong to the vault key. Unlock with the current key and try again."
        )


class RecoveryKeyNotFound(NotFound):
    """No such recovery code, or it was used."""

    def __init__(self) -> None:
        super().__init__("No unused recovery code matches recovery_auth_hash.")


class KeyNotFound(NotFound):
    """No key with this auth hash."""

    def __init__(self) -> None:
        super().__init__("Vault key not found")


class KeyInUse(Conflict):
    """The id or the auth hash of a new key is that of an existing one."""

    def __init__(self) -> None:
        super().__init__("A key with this id or auth_hash exists already. Choose another vault key and a new id.")


class LastPrimaryKey(Conflict):
    """Without a primary key nobody could change the key any more."""

    def __init__(self) -> None:
        super().__init__("This is the last vault key. Change it with PUT /vault/keys/primary instead of deleting it.")


class TooManyKeys(Conflict):
    """An unlock compares with every key."""

    def __init__(self) -> None:
        super().__init__(f"A vault has at most {limits.PRIMARY_KEYS_MAX} primary keys. Delete one first.")


class SecretNotFound(NotFound):
    """Unknown, or not granted to the agent."""

    def __init__(self) -> None:
        super().__init__("Secret not found")


class SecretExists(Conflict):
    """The id is taken."""

    def __init__(self) -> None:
        super().__init__("A secret with this id exists already. Encrypt under a new id.")


class SecretChanged(DomainError):
    """412: `If-Match` names another revision (RFC 9110 section 13.1.1)."""

    status = 412
    code = "secret_changed"

    def __init__(self, revision: int) -> None:
        super().__init__("The secret was changed meanwhile. Read it again and repeat the change.", revision=revision)


class VaultFull(Conflict):
    """Number or size of the secrets."""

    code = "vault_full"

    def __init__(self) -> None:
        megabytes = limits.VAULT_MAX_BYTES // (1024 * 1024)
        super().__init__(
            f"A vault holds at most {limits.SECRETS_PER_VAULT_MAX} secrets and {megabytes} MiB. Delete some."
        )


class AccessExists(Conflict):
    """The identity has access."""

    def __init__(self) -> None:
        super().__init__("The identity has access to this secret already.")


class AccessNotFound(NotFound):
    """No such rule."""

    def __init__(self) -> None:
        super().__init__("The identity has no access to this secret.")


class AgentManagesOwnAccessOnly(Forbidden):
    """An agent key speaks of another identity."""

    def __init__(self) -> None:
        super().__init__("An agent key may only give up its own access. Use an admin key of the organization.")
