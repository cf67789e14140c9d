"""Read an upload of any supported format as one stream of messages that can be resumed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import IO, Any

from mail.imports import limits
from mail.imports.archives import (
    SIGNATURES,
    ArchiveTooLarge,
    BadArchive,
    Entry,
    EntryStream,
    ExpandsTooFar,
    UnsafeExpansion,
    mail_entries,
)
from mail.imports.mbox import MboxReader, NotAnMbox
from mail.imports.states import ImportFormat
from mail.mime.defects import Defects
from mail.mime.headers import HeaderTooLarge, scan_header_block

_SNIFFED_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# One of these makes a file a message: anything with a colon in its first line would otherwise pass.
_TELLING_HEADERS = frozenset({b"from", b"date", b"message-id", b"subject", b"to"})


class ImportRefused(Exception):
    """The job cannot go on. The text is for the person who started it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Problem(StrEnum):
    """Why an item has no message."""

    FAILED = "failed"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: the archive entry (0 for a plain file) and the offset of a From_ line in it."""

    entry: int = 0
    offset: int = 0
    has_bare_separators: bool = False
    # Bytes that came out of an archive so far.
    expanded: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the job's row."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Item:
    """One message, or the place where one could not be read, and the position after it."""

    raw: bytes | None
    after: Position
    dated: datetime | None = None
    problem: Problem | None = None


def read_upload(file: IO[bytes], wanted: ImportFormat, position: Position) -> Iterator[Item]:
    """The messages from `position` on. Raises ImportRefused when the file is not what it should be or has too much."""
    found = _format_of(file)
    if wanted is not ImportFormat.AUTO and found is not wanted:
        # A message that was saved with its From_ line is still one message when that is what it is said to be.
        if not (wanted is ImportFormat.EML and found is ImportFormat.MBOX):
            raise ImportRefused(f"The uploaded file is not in the format {wanted.value}.")
        found = wanted
    if found is ImportFormat.ZIP:
        return _read_zip(file, position)
    if found is ImportFormat.MBOX:
        return _read_mbox(file, position)
    if found is ImportFormat.EML:
        return _read_eml(file, position)
    raise ImportRefused("The uploaded file is no mbox, no message (eml) and no zip archive.")


def _format_of(file: IO[bytes]) -> ImportFormat:
    """AUTO for something else."""
    file.seek(0)
    head = file.read(_SNIFFED_BYTES)
    if head.startswith(SIGNATURES):
        return ImportFormat.ZIP
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n \t")
    if text.startswith(b"From "):
        return ImportFormat.MBOX
    return ImportFormat.EML if _is_message(text) else ImportFormat.AUTO


def _is_message(text: bytes) -> bool:
    try:
        headers, _ = scan_header_block(text, 0, Defects())
    except HeaderTooLarge:
        return True  # to be counted as refused
    return not _TELLING_HEADERS.isdisjoint(headers)


def _read_mbox(file: IO[bytes], position: Position) -> Iterator[Item]:
    file.seek(position.offset)
    yield from _items(_reader(file.read, position), position)


def _reader(read: Callable[[int], bytes], position: Position) -> MboxReader:
    return MboxReader(read, offset=position.offset, has_bare_separators=position.has_bare_separators)


def _items(reader: MboxReader, start: Position) -> Iterator[Item]:
    for message in reader:
        after = replace(start, offset=message.end, has_bare_separators=reader.has_bare_separators)
        problem = Problem.FAILED if message.content is None else None
        yield Item(message.content, after, message.dated, problem)


def _read_eml(file: IO[bytes], position: Position) -> Iterator[Item]:
    if position.offset:
        return
    file.seek(0)
    raw = file.read(limits.MESSAGE_BYTES + 1)
    yield _message_item(raw, replace(position, offset=len(raw)))


def _message_item(raw: bytes, after: Position) -> Item:
    if len(raw) > limits.MESSAGE_BYTES:
        return Item(None, after, problem=Problem.FAILED)
    return Item(raw.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n"), after)


def _read_zip(file: IO[bytes], position: Position) -> Iterator[Item]:
    try:
        entries = mail_entries(file)
    except ArchiveTooLarge:
        raise ImportRefused(
            f"The archive has more than {limits.ZIP_ENTRIES} entries. Split it and import the parts."
        ) from None
    except BadArchive:
        raise ImportRefused("The archive is damaged or incomplete. Make it again and upload it again.") from None
    if not entries:
        raise ImportRefused("The archive has no .eml or .mbox files.")
    if any(entry.is_encrypted for entry in entries):
        raise ImportRefused("The archive is protected by a password. Make it again without one.")
    yield from _ZipReader(file, entries, position).items()


class _ZipReader:
    """The messages of the entries of an archive."""

    def __init__(self, file: IO[bytes], entries: Sequence[Entry], position: Position) -> None:
        self._file = file
        self._entries = [entry for entry in entries if entry.index >= position.entry]
        self._position = position
        self._expanded = position.expanded

    def items(self) -> Iterator[Item]:
        """Raises ImportRefused when too much comes out."""
        for entry in self._entries:
            start = replace(self._position, expanded=0)
            if entry.index != start.entry:
                start = Position(entry.index)
            # What is skipped to resume was counted when it was read first.
            most = start.offset + limits.ZIP_EXPANDED_BYTES - self._expanded
            try:
                stream = EntryStream(self._file, entry, most=most)
            except BadArchive:
                yield self._failure(entry, Problem.FAILED)
                continue
            before = self._expanded
            for item in self._entry_items(stream, entry, start):
                self._expanded = before + max(0, stream.expanded - start.offset)
                yield replace(item, after=replace(item.after, expanded=self._expanded))
            self._expanded = before + max(0, stream.expanded - start.offset)

    def _entry_items(self, stream: EntryStream, entry: Entry, start: Position) -> Iterator[Item]:
        """Messages of one entry; what stops reading it counts as one message that failed or was unsafe."""
        try:
            if not entry.is_mbox:
                raw = stream.read_all(limits.MESSAGE_BYTES + 1)
                yield _message_item(raw, Position(entry.index + 1))
                return
            stream.skip(start.offset)
            yield from _items(_reader(stream.read, start), start)
        except (BadArchive, NotAnMbox):
            yield self._failure(entry, Problem.FAILED)
        except UnsafeExpansion:
            yield self._failure(entry, Problem.UNSAFE)
        except ExpandsTooFar:
            raise ImportRefused("The archive expands to more than 16 GiB. Split it and import the parts.") from None

    def _failure(self, entry: Entry, problem: Problem) -> Item:
        return Item(None, Position(entry.index + 1, expanded=self._expanded), problem=problem)
