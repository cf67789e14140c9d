"""The tree of parts of a message (RFC 2046 section 5), found in one pass over its bytes.

Parts are offsets into the message: nothing is copied or decoded here. One pass
looks at lines that start with ``--`` and asks which open boundary they are, so
the cost does not grow with the depth of nesting. A delimiter of an outer
multipart closes the inner ones, which is how a truncated part ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mail.mime.defects import Defect, Defects
from mail.mime.headers import (
    Headers,
    HeaderTooLarge,
    parse_content_type,
    parse_parameters,
    scan_header_block,
    unfold,
)

MAX_PARTS = 1000
MAX_DEPTH = 50
_MAX_BOUNDARY_BYTES = 200
_MAX_LINES_LIKE_BOUNDARIES = 500_000
_MAX_PART_HEADER_FIELDS = 1000
_BOUNDARY_GUESS_BYTES = 8192
_LINE_END_SAMPLE_BYTES = 64 * 1024

_GUESSED_BOUNDARY = re.compile(rb"(?:\A|\n)--([!-~][ -~]{0,199})\r?\n")
_MBOX_LINE = re.compile(rb">?From (?![ \t]*:)[^\n]*\n")
_NO_PARAMETERS: dict[str, str] = {}


@dataclass(slots=True)
class Part:
    """One node: its headers and where its content is, without the line end before a boundary."""

    headers: Headers
    start: int
    end: int
    content_type: str = "text/plain"
    is_type_declared: bool = False
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str | None = None
    disposition_parameters: dict[str, str] = field(default_factory=dict)
    boundary: bytes = b""
    children: list[Part] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        """Whether this node was opened as a multipart."""
        return bool(self.boundary)


@dataclass(slots=True)
class _Open:
    part: Part
    shadowed_level: int | None  # the outer level that uses the same boundary


def normalize_line_ends(raw: bytes, defects: Defects) -> bytes:
    """Give a message whose lines end in bare CR real line ends; return others untouched.

    A single CR in an otherwise normal message is not a line end: reading it as
    one would let a sender smuggle headers past software that does not.
    """
    carriage_returns = raw.count(b"\r", 0, _LINE_END_SAMPLE_BYTES)
    bare = carriage_returns - raw.count(b"\r\n", 0, _LINE_END_SAMPLE_BYTES + 1)
    if bare <= 0 or bare <= raw.count(b"\n", 0, _LINE_END_SAMPLE_BYTES):
        return raw
    defects.note(Defect.BARE_CR_LINE_ENDS)
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _first(headers: Headers, name: bytes) -> bytes | None:
    values = headers.get(name)
    return values[0] if values else None


def _describe(part: Part, in_digest: bool, defects: Defects) -> None:
    """Fill type, parameters and disposition from the headers."""
    raw_type = _first(part.headers, b"content-type")
    if raw_type is not None:
        value = unfold(raw_type, defects)
        content_type = parse_content_type(value)
        if content_type is not None:
            part.content_type = content_type
            part.is_type_declared = True
        part.parameters = parse_parameters(value, defects) if ";" in value else _NO_PARAMETERS
    elif in_digest:  # RFC 2046 section 5.1.5
        part.content_type = "message/rfc822"
    raw_disposition = _first(part.headers, b"content-disposition")
    if raw_disposition is not None:
        value = unfold(raw_disposition, defects)
        part.disposition = value.partition(";")[0].strip().lower() or None
        if ";" in value:
            part.disposition_parameters = parse_parameters(value, defects)


def _find_boundary(raw: bytes, part: Part, defects: Defects) -> bytes:
    declared = part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    if declared and len(declared) <= _MAX_BOUNDARY_BYTES:
        return declared
    defects.note(Defect.MISSING_BOUNDARY)
    window = raw[part.start : part.start + _BOUNDARY_GUESS_BYTES]
    guessed = _GUESSED_BOUNDARY.search(window)
    return guessed[1].rstrip() if guessed else b""


class _Scanner:
    def __init__(self, raw: bytes, defects: Defects) -> None:
        self.raw = raw
        self.defects = defects
        self.stack: list[_Open] = []
        self.levels: dict[bytes, int] = {}
        self.count = 0
        self.misses_left = _MAX_LINES_LIKE_BOUNDARIES

    def read_part(self, start: int, in_digest: bool) -> Part:
        """Read the headers at ``start`` and open the part if it is a multipart."""
        try:
            max_fields = _MAX_PART_HEADER_FIELDS if self.count else None
            headers, body = scan_header_block(self.raw, start, self.defects, max_fields)
        except HeaderTooLarge:
            if self.count == 0:
                raise
            self.defects.note(Defect.PART_HEADER_TOO_LARGE)
            headers, body = {}, start
        self.count += 1
        part = Part(headers, body, len(self.raw))
        _describe(part, in_digest, self.defects)
        if part.content_type.startswith("multipart/"):
            self._open(part)
        return part

    def _open(self, part: Part) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self.defects.note(Defect.TOO_DEEP)
            return
        part.boundary = _find_boundary(self.raw, part, self.defects)
        if part.boundary:
            self.stack.append(_Open(part, self.levels.get(part.boundary)))
            self.levels[part.boundary] = len(self.stack) - 1

    def close_down_to(self, level: int, end: int) -> None:
        """Close every multipart above ``level``, ending at ``end``."""
        while len(self.stack) > level:
            closed = self.stack.pop()
            part = closed.part
            part.end = max(part.start, end)
            if closed.shadowed_level is None:
                del self.levels[part.boundary]
            else:
                self.levels[part.boundary] = closed.shadowed_level
            if not part.children:
                # The boundary never came: the content is shown as it is.
                self.defects.note(Defect.BOUNDARY_NOT_FOUND)
                part.boundary = b""

    def next_delimiter(self, position: int) -> tuple[int, int, int, bool] | None:
        """Return (line feed before, end of line, level, is closing) of the next delimiter."""
        raw, levels = self.raw, self.levels
        while (before := raw.find(b"\n--", position)) >= 0:
            end = raw.find(b"\n", before + 1)
            if end < 0:
                end = len(raw)
            position = end
            if end - before > _MAX_BOUNDARY_BYTES + 100:
                end = before + 3  # too long for a delimiter
            token = raw[before + 3 : end].rstrip()
            level = levels.get(token)
            if level is not None:
                return before, end, level, False
            if token.endswith(b"--"):
                level = levels.get(token[:-2])
                if level is not None:
                    return before, end, level, True
            self.misses_left -= 1
            if self.misses_left <= 0:
                self.defects.note(Defect.TOO_MANY_PARTS)
                break
        return None

    def scan(self, root: Part) -> None:
        """Find all parts below the opened root."""
        raw = self.raw
        leaf: Part | None = None
        position = root.start - 1
        while self.stack and (found := self.next_delimiter(position)):
            before, line_end, level, is_closing = found
            content_end = before - 1 if raw[before - 1 : before] == b"\r" else before
            if leaf is not None:
                leaf.end = max(leaf.start, content_end)
                leaf = None
            if len(self.stack) > level + 1:
                self.defects.note(Defect.TRUNCATED_MULTIPART)
            self.close_down_to(level + 1, content_end)
            position = line_end
            if is_closing:
                self.close_down_to(level, content_end)
                continue
            if self.count >= MAX_PARTS:
                self.defects.note(Defect.TOO_MANY_PARTS)
                break
            parent = self.stack[level].part
            part = self.read_part(min(line_end + 1, len(raw)), parent.content_type == "multipart/digest")
            parent.children.append(part)
            if not part.is_multipart:
                leaf = part
            position = part.start - 1
        else:
            if self.stack:
                self.defects.note(Defect.TRUNCATED_MULTIPART)
        self.close_down_to(0, len(raw))


def parse_structure(raw: bytes, defects: Defects) -> Part:
    """Return the root of the tree of parts of a whole message.

    Past MAX_PARTS the rest is ignored; multiparts deeper than MAX_DEPTH are
    left as they are. Raises HeaderTooLarge for the message's own headers only.
    """
    scanner = _Scanner(raw, defects)
    envelope = _MBOX_LINE.match(raw)
    root = scanner.read_part(envelope.end() if envelope else 0, in_digest=False)
    if root.is_multipart:
        scanner.scan(root)
    return root
