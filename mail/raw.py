"""Raw messages: inline in the row when small, else a blob. One place knows the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from common import blobs
from mail import limits


@dataclass(frozen=True, slots=True)
class StoredRaw:
    """The two columns of a stored raw message, of which one is set."""

    raw_inline: bytes | None
    raw_key: str | None


class HasRaw(Protocol):
    """A row with the two columns."""

    @property
    def raw_inline(self) -> bytes | memoryview | None: ...

    @property
    def raw_key(self) -> str | None: ...


def store_raw(raw: bytes) -> StoredRaw:
    """Make a raw message storable; a large one is durable in the blob store when this returns (blocking disk I/O)."""
    if len(raw) <= limits.INLINE_RAW_BYTES:
        return StoredRaw(raw, None)
    return StoredRaw(None, blobs.store().put(raw))


def load_raw(row: HasRaw) -> bytes:
    """The raw message of a row. Raises common.blobs.BlobMissing."""
    if row.raw_inline is not None:
        return bytes(row.raw_inline)
    return blobs.store().get(row.raw_key or "")
