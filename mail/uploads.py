"""Uploaded archives, in a folder beside the blobs: written piece by piece, read by the worker, removed after use.

No blobs, because those are kept for ever under the hash of their content and are small enough to be held in memory.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings

from common.clock import now

_PARTIAL = ".partial-"


def _folder() -> Path:
    return Path(settings.BLOB_DIR) / "uploads"


def _path(key: str) -> Path:
    if not key.isalnum() or not key.isascii():
        raise FileNotFoundError(key)
    return _folder() / key


class NewUpload:
    """A file that is being written; it exists for readers once `finish` has returned."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(16)
        self.size_bytes = 0
        _folder().mkdir(parents=True, exist_ok=True)
        self._partial = _folder() / f"{_PARTIAL}{self.key}"
        self._file = self._partial.open("xb")

    def write(self, piece: bytes) -> None:
        """Raises OSError when the disk is full."""
        self._file.write(piece)
        self.size_bytes += len(piece)

    def finish(self) -> None:
        """Make it durable under its key."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(_path(self.key))
        descriptor = os.open(_folder(), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        """Leave nothing behind, whether finished or not."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
        remove_upload(self.key)


def open_upload(key: str) -> IO[bytes]:
    """Raises FileNotFoundError when it is gone."""
    return _path(key).open("rb")


def remove_upload(key: str) -> None:
    """Unknown keys are fine. Who has it open can go on reading."""
    _path(key).unlink(missing_ok=True)


def uploads_older_than(age: timedelta) -> Iterator[str]:
    """Keys written longer ago than `age`."""
    limit = (now() - age).timestamp()
    for path in _folder().glob("[0-9a-f]*"):
        if path.stat().st_mtime < limit:
            yield path.name


def remove_partial_uploads(age: timedelta) -> None:
    """Remove what a crash in the middle of an upload left."""
    limit = (now() - age).timestamp()
    for path in _folder().glob(f"{_PARTIAL}*"):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
