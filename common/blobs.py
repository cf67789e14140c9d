"""Large immutable byte strings under their SHA-256, in a folder. Small ones stay in the database row that owns them.

A blob is durable when `put` returns: the file is written beside its place, flushed to disk, renamed, and its folder
flushed. Writing the same bytes twice is harmless, so a retried request leaves no second copy.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from common.clock import now


class BlobMissing(KeyError):
    """No blob under this key: it was purged, or the data directory was not restored completely."""


class FolderBlobs:
    """Blobs as files: `<root>/<first two hex digits>/<sha256>`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        if len(key) != 64 or not all(c in "0123456789abcdef" for c in key):
            raise BlobMissing(key)
        return self.root / key[:2] / key

    def put(self, content: bytes) -> str:
        """Store `content` durably and return its key. Raises OSError when the disk is full."""
        key = hashlib.sha256(content).hexdigest()
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            # Renew the age, so that the purge sweep does not take a blob that is being referenced again.
            os.utime(path)
            return key
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._sync_folder(path.parent)
        return key

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises BlobMissing."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise BlobMissing(key) from None

    def delete_unless_renewed(self, key: str, age: timedelta) -> None:
        """Remove a blob that was not written again within `age`; unknown keys are fine."""
        path = self._path(key)
        if path.exists() and path.stat().st_mtime < (now() - age).timestamp():
            path.unlink(missing_ok=True)

    def older_than(self, age: timedelta) -> Iterator[str]:
        """Keys not written for `age`: what the purge sweep may look at."""
        limit = (now() - age).timestamp()
        for path in self.root.glob("??/*"):
            if not path.name.startswith(".") and path.stat().st_mtime < limit:
                yield path.name

    def remove_leftovers(self, age: timedelta) -> None:
        """Remove files of writes that a crash interrupted."""
        limit = (now() - age).timestamp()
        for path in self.root.glob("??/.new-*"):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise OSError unless a file can be written and read back."""
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.root, prefix=".check-") as file:
            file.write(b"ok")
            file.flush()


@lru_cache(maxsize=4)
def _folder(root: str) -> FolderBlobs:
    return FolderBlobs(Path(root))


def store() -> FolderBlobs:
    """The blob store of this installation."""
    return _folder(str(settings.BLOB_DIR))
