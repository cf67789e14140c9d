"""A text of vCards as cards, and cards as properties; linear in its length, whatever it holds."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# A property longer than this holds a picture, a sound or nonsense; what a contact keeps is far shorter.
PROPERTY_MAX_CHARS = 64 * 1024
PROPERTIES_MAX = 1000

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NEWLINES = re.compile(r"\r\n|\r|\n")
# Character sets of address books; Python knows codecs that are none, and slow ones.
_CHARSET = re.compile(
    r"utf-?8|(?:us-)?ascii|iso-8859-[0-9]{1,2}|(?:windows-|cp)125[0-9]|shift_jis|euc-jp|euc-kr|gb2312|gbk|big5|koi8-r"
)
# vCard 2.1 names values without their parameter: TEL;HOME;QUOTED-PRINTABLE:...
_ENCODINGS = frozenset({"QUOTED-PRINTABLE", "BASE64", "B", "8BIT", "7BIT"})


class CardBroken(Exception):
    """What is wrong with a whole card, as a sentence."""


@dataclass(frozen=True, slots=True)
class Property:
    """One content line. Parameter names are upper case, parameter and property values as they were written."""

    name: str
    value: str
    params: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group: str | None = None
    # Why there is no value, as the end of a sentence; None when there is one.
    lost: str | None = None

    @property
    def types(self) -> frozenset[str]:
        """The TYPE parameters, lower case."""
        return frozenset(one.lower() for one in self.params.get("TYPE", ()))

    @property
    def is_preferred(self) -> bool:
        """PREF=1 in 4.0, TYPE=pref in 3.0, a bare PREF in 2.1."""
        return "1" in self.params.get("PREF", ()) or "pref" in self.types


@dataclass(frozen=True, slots=True)
class RawCard:
    """The lines between BEGIN and END, or why there are none to read."""

    lines: list[str]
    problem: str | None = None


def split_cards(text: str) -> Iterator[RawCard]:
    """Every card that begins, in order. Cards inside a card (AGENT of vCard 2.1) belong to it and are left out."""
    lines: list[str] | None = None
    depth = 0
    for line in _lines(text):
        mark = line.strip().upper()
        if mark == "BEGIN:VCARD":
            # An inner card follows its property AGENT; elsewhere the END of the one before is missing.
            if lines is not None and depth == 1 and not _opens_inner(lines):
                yield RawCard([], "The card has no END:VCARD.")
                depth = 0
            depth += 1
            if depth == 1:
                lines = []
        elif mark == "END:VCARD" and lines is not None:
            depth -= 1
            if depth == 0:
                yield RawCard(lines)
                lines = None
        elif lines is not None and depth == 1:
            lines.append(line)
    if lines is not None:
        yield RawCard([], "The card has no END:VCARD.")


def properties(card: RawCard) -> Iterator[Property]:
    """The properties that can be read, and the names of those whose values cannot. Raises CardBroken."""
    if card.problem is not None:
        raise CardBroken(card.problem)
    for number, line in enumerate(_unfolded(card.lines)):
        if number == PROPERTIES_MAX:
            raise CardBroken(f"The card has more than {PROPERTIES_MAX} properties.")
        found = parse_property(line)
        if found is not None:
            yield found


def parse_property(line: str) -> Property | None:
    """One unfolded line; None when it is none."""
    head, value = _split_head(line)
    if value is None:
        return None
    first, *rest = _split_outside_quotes(head, ";")
    group, dot, name = first.rpartition(".")
    if not _NAME.fullmatch(name) or (dot and not _NAME.fullmatch(group)):
        return None
    params: dict[str, list[str]] = {}
    for part in rest:
        key, equals, raw = part.partition("=")
        if not equals:
            bare = key.strip().upper()
            params.setdefault("ENCODING" if bare in _ENCODINGS else "TYPE", []).append(key.strip())
            continue
        values = [one.strip().strip('"') for one in _split_outside_quotes(raw, ",")]
        # RFC 2426 examples and much software write TYPE="work,voice".
        params.setdefault(key.strip().upper(), []).extend(piece for one in values for piece in one.split(","))
    if len(line) > PROPERTY_MAX_CHARS:
        return Property(name.upper(), "", params, group or None, "longer than an address book needs")
    decoded = _decode(value, params)
    if decoded is None:
        return Property(name.upper(), "", params, group or None, "in an encoding that cannot be read")
    return Property(name.upper(), decoded, params, group or None)


def split_value(value: str, separator: str) -> list[str]:
    """The parts of a structured value (RFC 6350 section 3.4), still escaped."""
    parts, start, is_escaped = [], 0, False
    for index, char in enumerate(value):
        if is_escaped:
            is_escaped = False
        elif char == "\\":
            is_escaped = True
        elif char == separator:
            parts.append(value[start:index])
            start = index + 1
    parts.append(value[start:])
    return parts


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def unescape(value: str) -> str:
    """Text without its backslashes (RFC 6350 section 3.4), line breaks as LF."""
    text = _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)
    return _NEWLINES.sub("\n", text)


def _lines(text: str) -> Iterator[str]:
    # Not str.splitlines, which also ends lines at characters that are part of a text here.
    start = 0
    for match in _NEWLINES.finditer(text):
        yield text[start : match.start()]
        start = match.end()
    yield text[start:]


def _opens_inner(lines: Sequence[str]) -> bool:
    for line in reversed(lines):
        if line.strip():
            return line.upper().lstrip().startswith("AGENT")
    return False


def _unfolded(lines: Sequence[str]) -> Iterator[str]:
    """Logical lines (RFC 6350 section 3.2, and soft line breaks of quoted-printable); overlong ones are cut."""
    pieces: list[str] = []
    length = 0
    is_soft = False
    for line in lines:
        is_folded = line[:1] in (" ", "\t")
        if pieces and (is_folded or is_soft):
            piece = line[1:] if is_folded and not is_soft else line
            length += len(piece)
            if length <= PROPERTY_MAX_CHARS:
                pieces.append(piece)
        else:
            if pieces:
                yield _joined(pieces, length)
            pieces, length = [line], len(line)
        # The break itself is taken out when the value is decoded.
        is_soft = line.endswith("=") and _is_quoted_printable(pieces[0])
        if is_soft and len(pieces) > 0 and length <= PROPERTY_MAX_CHARS:
            pieces[-1] = pieces[-1][:-1]
    if pieces:
        yield _joined(pieces, length)


def _joined(pieces: Sequence[str], length: int) -> str:
    """The logical line; of an overlong one the beginning, long enough to be recognized as that."""
    if length <= PROPERTY_MAX_CHARS:
        return "".join(pieces)
    return pieces[0][: PROPERTY_MAX_CHARS // 2].ljust(PROPERTY_MAX_CHARS + 1)


def _is_quoted_printable(line: str) -> bool:
    return "QUOTED-PRINTABLE" in line[:200].partition(":")[0].upper()


def _split_head(line: str) -> tuple[str, str | None]:
    """Name with parameters, and the value after the first colon outside of quotes."""
    is_quoted = False
    for index, char in enumerate(line):
        if char == '"':
            is_quoted = not is_quoted
        elif char == ":" and not is_quoted:
            return line[:index], line[index + 1 :]
    # An odd quote swallows the colon: then the first colon counts.
    head, colon, value = line.partition(":")
    return head, value if colon else None


def _split_outside_quotes(text: str, separator: str) -> list[str]:
    parts, start, is_quoted = [], 0, False
    for index, char in enumerate(text):
        if char == '"':
            is_quoted = not is_quoted
        elif char == separator and not is_quoted:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def _decode(value: str, params: Mapping[str, Sequence[str]]) -> str | None:
    encodings = {one.upper() for one in params.get("ENCODING", ())}
    if not encodings & {"QUOTED-PRINTABLE", "BASE64", "B"}:
        return value
    charset = next(iter(params.get("CHARSET", ())), "utf-8").lower()
    if not _CHARSET.fullmatch(charset):
        return None
    try:
        if "QUOTED-PRINTABLE" in encodings:
            return quopri.decodestring(value.encode("utf-8")).decode(charset)
        return base64.b64decode("".join(value.split()), validate=True).decode(charset)
    except (LookupError, UnicodeError, binascii.Error, ValueError):
        return None
