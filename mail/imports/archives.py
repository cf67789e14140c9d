"""Read the mail in a zip archive without trusting anything in it (PKWARE APPNOTE 6.3).

The standard library keeps the whole directory of an archive in memory before anybody can look at its size. This reader
walks the directory entry by entry, keeps only what can hold mail, expands entries as a stream and watches how much
comes out. Names are compared, never used as paths: nothing is extracted.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from mail.imports import limits

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_COMMENT_BYTES = 65_535
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8
_ZIP64_FIELD = 0x0001
_READ_BYTES = 256 * 1024
_MAIL_NAME = re.compile(r"(?:[^/\\]*\.(eml|mbox)|(mbox))", re.IGNORECASE)


class BadArchive(ValueError):
    """The archive or an entry is damaged or of a kind that is not read."""


class ArchiveTooLarge(ValueError):
    """The archive has more entries than are read."""


class UnsafeExpansion(ValueError):
    """An entry expands to far more than mail does."""


class ExpandsTooFar(ValueError):
    """The entries together expand to more than is read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the archive that may hold mail. `index` counts all entries."""

    index: int
    is_mbox: bool
    method: int
    is_encrypted: bool
    packed_bytes: int
    checksum: int
    offset: int


def mail_entries(file: IO[bytes]) -> list[Entry]:
    """Entries named `*.eml`, `*.mbox` or `mbox`, in the order of the directory.

    Raises BadArchive, or ArchiveTooLarge past limits.ZIP_ENTRIES.
    """
    found = []
    for index, (name, entry) in enumerate(_directory(file)):
        if index >= limits.ZIP_ENTRIES:
            raise ArchiveTooLarge
        path = re.split(r"[/\\]", name)
        matched = _MAIL_NAME.fullmatch(path[-1])
        # Macs add files of their own to archives, under the names of the real ones.
        if matched is None or path[-1].startswith("._") or "__MACOSX" in path:
            continue
        is_mbox = (matched[1] or matched[2]).lower() == "mbox"
        flags, method, checksum, packed, offset = entry
        found.append(Entry(index, is_mbox, method, bool(flags & _ENCRYPTED), packed, checksum, offset))
    return found


_Raw = tuple[int, int, int, int, int]


def _directory(file: IO[bytes]) -> Iterator[tuple[str, _Raw]]:
    """Name and (flags, method, checksum, packed size, offset) of each entry."""
    start, size = _directory_place(file)
    if size > limits.ZIP_DIRECTORY_BYTES:
        raise ArchiveTooLarge
    file.seek(start)
    left = size
    while left >= _ENTRY.size:
        fields = _ENTRY.unpack(_exactly(file, _ENTRY.size))
        if fields[0] != b"PK\x01\x02":
            raise BadArchive
        flags, method, checksum, packed, expanded = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_bytes, extra_bytes, comment_bytes, offset = fields[10], fields[11], fields[12], fields[16]
        left -= _ENTRY.size + name_bytes + extra_bytes + comment_bytes
        if left < 0:
            raise BadArchive
        name = _exactly(file, name_bytes).decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        extra = _exactly(file, extra_bytes)
        file.seek(comment_bytes, 1)
        packed, offset = _wide(extra, packed, expanded, offset)
        yield name, (flags, method, checksum, packed, offset)


def _directory_place(file: IO[bytes]) -> tuple[int, int]:
    """Offset and size of the central directory."""
    total = file.seek(0, 2)
    tail_start = max(0, total - _END.size - _COMMENT_BYTES)
    file.seek(tail_start)
    tail = file.read(_END.size + _COMMENT_BYTES)
    at = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size) + 4)
    if at < 0:
        raise BadArchive
    fields = _END.unpack_from(tail, at)
    size, start, end = fields[5], fields[6], tail_start + at
    wide = _wide_place(file, end)
    if wide is not None:
        start, size, end = wide
    if start + size != end:
        raise BadArchive  # cut off, or part of an archive of several files
    return start, size


def _wide_place(file: IO[bytes], end: int) -> tuple[int, int, int] | None:
    """The same from the zip64 records, and where those start; None when there are none."""
    if end < _END64_LOCATOR.size:
        return None
    file.seek(end - _END64_LOCATOR.size)
    signature, _, at, _ = _END64_LOCATOR.unpack(_exactly(file, _END64_LOCATOR.size))
    if signature != b"PK\x06\x07":
        return None
    if at + _END64.size > end:
        raise BadArchive
    file.seek(at)
    fields = _END64.unpack(_exactly(file, _END64.size))
    if fields[0] != b"PK\x06\x06":
        raise BadArchive
    return fields[9], fields[8], at


def _wide(extra: bytes, packed: int, expanded: int, offset: int) -> tuple[int, int]:
    """Packed size and offset, from the zip64 field where the plain ones are full."""
    if 0xFFFFFFFF not in (packed, expanded, offset):
        return packed, offset
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        field = extra[at + 4 : at + 4 + size]
        at += 4 + size
        if kind != _ZIP64_FIELD:
            continue
        values = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
        try:
            if expanded == 0xFFFFFFFF:
                next(values)
            packed = next(values) if packed == 0xFFFFFFFF else packed
            offset = next(values) if offset == 0xFFFFFFFF else offset
        except StopIteration:
            raise BadArchive from None
    return packed, offset


def _exactly(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise BadArchive
    return content


class EntryStream:
    """The expanded bytes of an entry, forwards. `expanded` counts them."""

    def __init__(self, file: IO[bytes], entry: Entry, *, most: int) -> None:
        """`most` bytes may come out. Raises BadArchive for a damaged entry and for compression other than deflate."""
        if entry.method not in (_STORED, _DEFLATED):
            raise BadArchive
        file.seek(entry.offset)
        fields = _LOCAL.unpack(_exactly(file, _LOCAL.size))
        if fields[0] != b"PK\x03\x04":
            raise BadArchive
        self._file = file
        self._at = entry.offset + _LOCAL.size + fields[9] + fields[10]
        self._left = self._packed = entry.packed_bytes
        if self._at + self._packed > file.seek(0, 2):
            raise BadArchive
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        self._pending = b""
        self._checksum = 0
        self._wanted_checksum = entry.checksum
        self._is_ended = False
        self._most = most
        self.expanded = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, nothing at the end. Raises BadArchive, UnsafeExpansion or ExpandsTooFar."""
        while not self._is_ended:
            piece = self._expand(size)
            if piece:
                self.expanded += len(piece)
                self._checksum = zlib.crc32(piece, self._checksum)
                allowance = max(limits.ZIP_RATIO_FREE_BYTES, limits.ZIP_RATIO * self._packed)
                if self.expanded > allowance:
                    raise UnsafeExpansion
                if self.expanded > self._most:
                    raise ExpandsTooFar
                return piece
        return b""

    def read_all(self, most: int) -> bytes:
        """Up to `most` bytes; less only at the end."""
        pieces = []
        while most > 0 and (piece := self.read(most)):
            pieces.append(piece)
            most -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Read on to `size` bytes from the start. Raises BadArchive when there are not as many."""
        while self.expanded < size:
            if not self.read(min(_READ_BYTES, size - self.expanded)):
                raise BadArchive

    def _expand(self, size: int) -> bytes:
        if self._inflater is None:
            piece = self._packed_bytes(size)
            if not piece:
                self._finish()
            return piece
        if self._inflater.eof:
            self._finish()
            return b""
        source = self._pending or self._packed_bytes(_READ_BYTES)
        try:
            piece = self._inflater.decompress(source, size)
        except zlib.error:
            raise BadArchive from None
        self._pending = self._inflater.unconsumed_tail
        if not source and not piece and not self._inflater.eof:
            raise BadArchive  # cut off
        return piece

    def _packed_bytes(self, size: int) -> bytes:
        self._file.seek(self._at)
        piece = self._file.read(min(size, self._left))
        self._at += len(piece)
        self._left -= len(piece)
        return piece

    def _finish(self) -> None:
        self._is_ended = True
        if self._checksum != self._wanted_checksum:
            raise BadArchive
