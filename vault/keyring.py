"""Which key an auth hash belongs to, and how the keys of a vault may change (contract vault.md 4.3 and 4.4).

A vault has one or more primary keys and up to four recovery keys. A change of the key leaves exactly one primary key;
a recovery key that proves a change is used up.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from vault import limits
from vault.enums import KeyType
from vault.errors import KeyInUse, KeyMismatch, KeyNotFound, LastPrimaryKey, RecoveryKeyNotFound, TooManyKeys


class Key(Protocol):
    """What of a key decides."""

    @property
    def id(self) -> UUID: ...

    @property
    def key_type(self) -> str: ...

    @property
    def auth_digest(self) -> bytes | bytearray | memoryview: ...


K = TypeVar("K", bound=Key)


def find_key(keys: Iterable[K], digest: bytes) -> K | None:
    """The key of a digest. Compares with every key in constant time, so the answer's time tells nothing."""
    found = None
    for key in keys:
        if hmac.compare_digest(bytes(key.auth_digest), digest):
            found = key
    return found


def plan_addition(keys: Sequence[K], new_id: UUID, new_digest: bytes) -> None:
    """One more primary key. Raises KeyInUse, TooManyKeys 409."""
    _refuse_known(keys, new_id, new_digest)
    if len(_of_type(keys, KeyType.PRIMARY)) >= limits.PRIMARY_KEYS_MAX:
        raise TooManyKeys


def plan_change(keys: Sequence[K], proof: bytes, proof_type: KeyType, new_id: UUID, new_digest: bytes) -> list[K]:
    """The keys that the new primary key takes the place of.

    Raises KeyMismatch 403 or RecoveryKeyNotFound 404 for a wrong proof, KeyInUse 409.
    """
    used = find_key(_of_type(keys, proof_type), proof)
    if used is None:
        raise KeyMismatch if proof_type is KeyType.PRIMARY else RecoveryKeyNotFound
    _refuse_known(keys, new_id, new_digest)
    removed = _of_type(keys, KeyType.PRIMARY)
    return removed if proof_type is KeyType.PRIMARY else [*removed, used]


def plan_deletion(keys: Sequence[K], digest: bytes) -> K:
    """The key to delete. Raises KeyNotFound 404, LastPrimaryKey 409."""
    key = find_key(keys, digest)
    if key is None:
        raise KeyNotFound
    if key.key_type == KeyType.PRIMARY and len(_of_type(keys, KeyType.PRIMARY)) == 1:
        raise LastPrimaryKey
    return key


def _of_type(keys: Iterable[K], key_type: KeyType) -> list[K]:
    return [key for key in keys if key.key_type == key_type]


def _refuse_known(keys: Sequence[K], new_id: UUID, new_digest: bytes) -> None:
    if find_key(keys, new_digest) is not None or any(key.id == new_id for key in keys):
        raise KeyInUse
