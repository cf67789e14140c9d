"""Address lists (RFC 5322 section 3.4 with its obsolete and its merely common forms).

Reads what senders write: quoted names, comments, groups, semicolons between
addresses, unbalanced quotes. Only addresses that could receive mail come out.
The work is linear in the length of the header: an opening quote or comment
that never closes is searched for its end once, not once per character.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import idna

from mail.lookalikes import has_hidden_characters, is_lookalike_domain
from mail.mime.headers import remove_controls

MAX_ADDRESSES = 10_000
MAX_ADDRESS_CHARS = 320
"""64 octets of local part, ``@``, 255 octets of domain (RFC 5321 section 4.5.3.1)."""

_MAX_TOKENS = 100_000  # of one header value that the simple pattern does not read

_ATOM = r"[^\s\"(),:;<>@\[\]\\]++"
_LOCAL = rf"(?!=\?){_ATOM}"  # an encoded word is a name, never an address
_SIMPLE_ADDRESS = rf"{_LOCAL}@{_ATOM}"
_SIMPLE_ITEM = re.compile(
    r"[\s,;]*+"
    rf"(?:(?:\"([^\"\\<>]*+)\"|([^\"<>(),:;@\\\[\]]*+))\s*+<\s*+({_SIMPLE_ADDRESS})\s*+>"
    rf"|({_SIMPLE_ADDRESS}))"
    r"\s*+(?:[,;]|\Z)"
)
_ADDRESS = re.compile(rf"(?:\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"|{_LOCAL})@(?:\[[^\[\]\\\s]++\]|{_ATOM})")
_QUOTED = re.compile(r"\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\"", re.DOTALL)
# Senders leave commas and colons unencoded in encoded words, against RFC 2047 section 5.
_PLAIN = re.compile(r"(?:[^\"(<,:;=]++|=\?[^?\s\"<>]{1,80}\?[bBqQ]\?[^?\"<>]*+\?=|=)++")
_ANGLE = re.compile(r"<([^<>]*+)>?")
_COMMENT_EDGE = re.compile(r"\\.|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


class Address(NamedTuple):
    """One mailbox of an address list; the name is not yet RFC 2047 decoded."""

    name: str
    address: str


def normalize_address(value: str) -> str:
    """Return a bare address with its domain in lower case, or ``""`` when it is none.

    A domain that imitates another one with foreign letters is written as DNS has it
    (``xn--...``), as browsers do; an address with characters that nobody sees is none.
    """
    value = value.strip()
    if len(value) > MAX_ADDRESS_CHARS or not _ADDRESS.fullmatch(value):
        return ""
    local, _at, domain = value.rpartition("@")
    domain = domain.lower()
    if not value.isascii():
        if has_hidden_characters(value):
            return ""
        if not domain.isascii() and is_lookalike_domain(domain):
            domain = _ascii_domain(domain)
    return f"{local}@{domain}" if domain else ""


def _ascii_domain(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


class _Reader:
    """Reads one header value from left to right."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.position = 0
        self.quotes_close = True
        self.comments_close = True
        self.tokens_left = _MAX_TOKENS

    def next_item(self) -> tuple[Address, bool]:
        """Return the next item and whether it had angle brackets; its address may be empty."""
        value = self.value
        simple = _SIMPLE_ITEM.match(value, self.position)
        if simple:
            self.position = simple.end()
            if simple[4] is not None:
                return Address("", normalize_address(simple[4])), False
            return Address((simple[1] or simple[2] or ""), normalize_address(simple[3])), True
        return self._next_general_item()

    def _next_general_item(self) -> tuple[Address, bool]:
        value = self.value
        written: list[str] = []  # as written, to find an address without brackets
        name: list[str] = []  # with quotes removed
        comments: list[str] = []
        angle: str | None = None
        while self.position < len(value) and self.tokens_left > 0:
            self.tokens_left -= 1
            char = value[self.position]
            if char in ",;":
                self.position += 1
                if written or angle is not None:
                    break
            elif char == ":":  # what came before was the name of a group
                self.position += 1
                written.clear()
                name.clear()
            elif char == "<":
                found = _ANGLE.match(value, self.position)
                assert found is not None
                angle = found[1] if angle is None else angle
                self.position = found.end()
            elif char == '"':
                self._read_quoted(written, name)
            elif char == "(":
                self._read_comment(comments)
            else:
                found = _PLAIN.match(value, self.position)
                assert found is not None
                self.position = found.end()
                if not found[0].isspace() or written:
                    written.append(found[0])
                    name.append(found[0])
        if angle is not None:
            text = "".join(name).strip() or " ".join(comments)
            return Address(text, normalize_address(_unroute(angle))), True
        return _bare_address("".join(written), " ".join(comments)), False

    def _read_quoted(self, written: list[str], name: list[str]) -> None:
        found = _QUOTED.match(self.value, self.position) if self.quotes_close else None
        if found is None:
            self.quotes_close = False
            self.position += 1
            return
        written.append(found[0])
        name.append(_QUOTED_PAIR.sub(r"\1", found[1]))
        self.position = found.end()

    def _read_comment(self, comments: list[str]) -> None:
        start = self.position
        depth = 0
        if self.comments_close:
            for edge in _COMMENT_EDGE.finditer(self.value, start):
                self.tokens_left -= 1
                depth += {"(": 1, ")": -1}.get(edge[0], 0)
                if depth == 0:
                    comments.append(_QUOTED_PAIR.sub(r"\1", self.value[start + 1 : edge.start()]))
                    self.position = edge.end()
                    return
        self.comments_close = False
        self.position = start + 1


def _unroute(angle: str) -> str:
    """Remove an obsolete source route: ``<@relay.example:user@example>``."""
    angle = _close_up(angle)
    return angle.rpartition(":")[2] if angle.startswith("@") else angle


def _close_up(text: str) -> str:
    """Collapse whitespace, and remove it around ``@`` (RFC 5322 section 4.4)."""
    return " ".join(text.split()).replace(" @", "@").replace("@ ", "@")


def _bare_address(written: str, comment: str) -> Address:
    """Find the address in text without angle brackets; the rest is its name."""
    text = _close_up(written)
    address = normalize_address(text)
    if address:
        return Address(comment, address)
    words = text.split()
    for number in range(len(words) - 1, -1, -1):
        if "@" in words[number] and (address := normalize_address(words[number].strip("<>"))):
            return Address(" ".join(words[:number] + words[number + 1 :]), address)
    return Address(text, "")


def parse_address_list(value: str) -> tuple[list[Address], bool]:
    """Return the addresses of a header value, and whether the list was cut.

    At most MAX_ADDRESSES are read, fewer from a header that is mostly not addresses.
    An unquoted comma in a name (``Doe, John <john@example.org>``) is understood.
    """
    reader = _Reader(remove_controls(value))
    length = len(reader.value)
    addresses: list[Address] = []
    carried = ""
    while reader.position < length and reader.tokens_left > 0:
        item, bracketed = reader.next_item()
        if item.address:
            if len(addresses) >= MAX_ADDRESSES:
                return addresses, True
            if carried and bracketed:
                item = Address(f"{carried}, {item.name}".rstrip(", "), item.address)
            addresses.append(item)
        carried = item.name if not item.address and not bracketed else ""
    return addresses, reader.position < length
