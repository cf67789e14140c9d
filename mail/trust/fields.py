"""The header and the body of a message as the signature checks read them.

Strict where the parser for display is lenient: a message that another reader could take apart differently has no valid
signature here. Otherwise somebody could replay a signed message with a different one wrapped around it.
"""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field

HEADER_FIELDS_MAX = 1000
HEADER_MAX_BYTES = 512 * 1024

_FIELD = re.compile(rb"([!-9;-~]+):([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_BARE_CR = re.compile(rb"\r(?!\n)")
_BLANK_LINE = re.compile(rb"\A\r?\n|\n\r?\n")
_TABS = bytes.maketrans(b"\t", b" ")
# Canonical forms are copies of the body: no more than two at a time, however many messages are looked at.
_COPIES = threading.BoundedSemaphore(2)


class Malformed(ValueError):
    """The header cannot be read in one way only. The text is a fixed phrase."""


@dataclass(frozen=True, slots=True)
class Fields:
    """`header` has CRLF line ends and ends with an empty line; `values` are raw, by lower-case name, in order."""

    header: bytes
    values: dict[str, list[bytes]]
    body: Body


@dataclass(slots=True)
class Body:
    """The bytes after the header, and the digests of its canonical forms (RFC 6376 section 3.4)."""

    raw: bytes
    _digests: dict[tuple[bool, str, int | None], tuple[bytes, int]] = field(default_factory=dict)

    def digest(self, algorithm: str, *, is_relaxed: bool, length: int | None = None) -> tuple[bytes, int]:
        """The digest of the canonical body up to `length` bytes, and how long the whole canonical body is."""
        key = (is_relaxed, algorithm, length)
        found = self._digests.get(key)
        if found is None:
            with _COPIES:
                canonical = canonical_body(self.raw, is_relaxed=is_relaxed)
                part = canonical if length is None else memoryview(canonical)[:length]
                found = self._digests[key] = (hashlib.new(algorithm, part).digest(), len(canonical))
        return found


def canonical_body(body: bytes, *, is_relaxed: bool) -> bytes:
    """RFC 6376 sections 3.4.3 and 3.4.4, in linear time on any input (dkimpy's patterns are not)."""
    if body.count(b"\n") != body.count(b"\r\n"):
        body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    if is_relaxed:
        body = body.translate(_TABS)
        while b"  " in body:  # halves every run each time
            body = body.replace(b"  ", b" ")
        body = body.replace(b" \r\n", b"\r\n")
    kept = len(body.rstrip(b"\r\n"))
    # A CR that belongs to no line end is content; the empty lines begin behind the last of them.
    bare = body.rfind(b"\r\r", kept)
    body = body[: kept if bare < 0 else bare + 1]
    if not body:
        return b"" if is_relaxed else b"\r\n"
    return body + b"\r\n"


def split_fields(raw: bytes) -> Fields:
    """Header fields and body of a message with CRLF or LF line ends. Raises Malformed."""
    blank = _BLANK_LINE.search(raw[: HEADER_MAX_BYTES + 4])
    if blank is None and len(raw) > HEADER_MAX_BYTES:
        raise Malformed("the header is too large")
    head, body = (raw, b"") if blank is None else (raw[: blank.start() + 1], raw[blank.end() :])
    if blank is not None and blank.start() == 0:
        head = b""
    if _BARE_CR.search(head):
        raise Malformed("a bare CR in the header")
    values: dict[str, list[bytes]] = {}
    position = count = 0
    while position < len(head):
        found = _FIELD.match(head, position)
        count += 1
        if found is None:
            raise Malformed("a line of the header is no field")
        if count > HEADER_FIELDS_MAX:
            raise Malformed("too many header fields")
        values.setdefault(found[1].decode("ascii").lower(), []).append(found[2])
        position = found.end()
    header = head.replace(b"\r\n", b"\n").rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n"
    return Fields(header, values, Body(body))
