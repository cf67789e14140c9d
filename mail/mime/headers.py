"""Header blocks and header values: RFC 5322, RFC 2047, RFC 2231.

The standard library's modern header parser takes milliseconds per message and
recurses on hostile input. This one reads a block in a single pass, keeps only
the headers that the mail server uses, and decodes a value when it is asked for.
Every pattern here is linear: repetitions are possessive or cannot overlap.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from itertools import islice
from urllib.parse import unquote_to_bytes

from mail.mime.charsets import clean_text, decode_text
from mail.mime.defects import Defect, Defects
from mail.mime.transfer import decode_base64

MAX_HEADER_BYTES = 1024 * 1024
_MAX_PARAMETERS_CHARS = 16 * 1024
_MAX_PARAMETERS = 200
_MAX_DATE_CHARS = 200

Headers = dict[bytes, list[bytes]]
"""Lower-case name to raw folded values, in the order of the message."""

WANTED_HEADERS = frozenset(
    {
        b"auto-submitted",
        b"cc",
        b"content-disposition",
        b"content-id",
        b"content-transfer-encoding",
        b"content-type",
        b"date",
        b"from",
        b"in-reply-to",
        b"list-id",
        b"list-unsubscribe",
        b"message-id",
        b"precedence",
        b"references",
        b"reply-to",
        b"subject",
        b"to",
    }
)

# A line that starts with two hyphens is a boundary, even when it contains a colon.
_FIELD = re.compile(rb"(?!--)([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
_PARAMETER = re.compile(r";\s*+([^\s=;\"]++)\s*+=\s*+(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\"?|([^;]*+))", re.DOTALL)
_EXTENDED_NAME = re.compile(r"([^*]+)\*(?:(\d{1,4})(\*)?)?")
_QUOTED_PAIR = re.compile(r"\\([\"\\])")
_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
_WHITESPACE_CONTROLS = str.maketrans(dict.fromkeys("\t\n\r\v\f\x85\u2028\u2029", " "))
# Bidirectional embeddings, overrides and isolates turn the text around them: in a name they only ever deceive.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_COMMON_DATE = re.compile(
    r"(?:[A-Za-z]{3},)?\s*(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+"
    r"(\d\d):(\d\d)(?::(\d\d))?\s+([+-])(\d\d)(\d\d)\b",
    re.ASCII,
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_EARLIEST_DATE = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_DATE = datetime(2100, 1, 1, tzinfo=UTC)


class HeaderTooLarge(ValueError):
    """The header block of a message is over MAX_HEADER_BYTES and is not parsed."""


def scan_header_block(raw: bytes, start: int, defects: Defects, max_fields: int | None = None) -> tuple[Headers, int]:
    """Read the header block at ``start``; return the wanted headers and where the body starts.

    A line that is no header ends the block and belongs to the body, as mail
    servers do it. Raises :class:`HeaderTooLarge` past MAX_HEADER_BYTES or ``max_fields``.
    """
    headers: Headers = {}
    position = start
    match = _FIELD.match
    fields_left = MAX_HEADER_BYTES if max_fields is None else max_fields
    while field := match(raw, position):
        position = field.end()
        fields_left -= 1
        if position - start > MAX_HEADER_BYTES or fields_left < 0:
            raise HeaderTooLarge(f"The header block is over {MAX_HEADER_BYTES} bytes.")
        name = field[1].lower()
        if name in WANTED_HEADERS:
            values = headers.get(name)
            if values is None:
                headers[name] = [field[2]]
            else:
                values.append(field[2])
    if raw.startswith(b"\r\n", position):
        return headers, position + 2
    if raw.startswith(b"\n", position):
        return headers, position + 1
    if position < len(raw) and not raw.startswith(b"--", position):
        defects.note(Defect.NO_HEADERS if position == start else Defect.MISSING_HEADER_SEPARATOR)
    return headers, position


def unfold(raw: bytes, defects: Defects) -> str:
    """Undo folding (RFC 5322 section 2.2.3) and decode raw 8-bit text as UTF-8 if possible."""
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"").replace(b"\n", b"")
    raw = raw.strip()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        defects.note(Defect.HEADER_NOT_UTF8)
        return decode_text(raw, None, defects)


def remove_controls(value: str) -> str:
    """Turn line breaks and tabs into spaces, remove other controls, changes of direction and lone surrogates."""
    if value.isprintable():
        return value
    return _CONTROLS.sub("", value.translate(_WHITESPACE_CONTROLS))


def _decode_word_bytes(encoding: str, content: str, defects: Defects) -> bytes:
    data = content.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(data, defects)
    return binascii.a2b_qp(data, header=True)


def decode_words(value: str, defects: Defects) -> str:
    """Decode RFC 2047 encoded words; what is not a well-formed word stays as it is.

    Adjacent words of one charset are joined before decoding, because senders
    split multi-byte characters between words.
    """
    if "=?" not in value:
        return value
    pieces: list[str] = []
    charset = ""
    pending: list[bytes] = []
    last = 0

    def flush() -> None:
        if pending:
            pieces.append(decode_text(b"".join(pending), charset, defects))
            pending.clear()

    for word in _ENCODED_WORD.finditer(value):
        gap = value[last : word.start()]
        word_charset = word[1].partition("*")[0].lower()  # RFC 2231 section 5: a language
        if gap and not (pending and gap.isspace()):
            flush()
            pieces.append(gap)
        elif word_charset != charset:
            flush()
        charset = word_charset
        pending.append(_decode_word_bytes(word[2], word[3], defects))
        last = word.end()
    flush()
    pieces.append(value[last:])
    return "".join(pieces)


def decode_value(raw: bytes, defects: Defects) -> str:
    """Return an unstructured header value as clean text for people to read."""
    value = decode_words(unfold(raw, defects), defects)
    return remove_controls(value).strip()


def _join_extended(segments: dict[int, tuple[str, bool]], defects: Defects) -> str:
    """Join the segments of one RFC 2231 parameter and decode them by their charset."""
    charset = ""
    data: list[bytes] = []
    for number in sorted(segments):
        text, encoded = segments[number]
        if not encoded:
            data.append(text.encode("utf-8", "replace"))
            continue
        if not charset and text.count("'") >= 2:
            charset, _language, text = text.split("'", 2)
        data.append(unquote_to_bytes(text))
    return decode_text(b"".join(data), charset or None, defects)


def parse_parameters(value: str, defects: Defects) -> dict[str, str]:
    """Return the parameters after the first ``;`` of a MIME header, names in lower case.

    RFC 2231 continuations and charsets are resolved and win over the plain
    parameter; RFC 2047 words in a plain one are decoded, because many senders
    write them. The first of equal names counts.
    """
    parameters: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[str, bool]]] = {}
    for found in islice(_PARAMETER.finditer(value, 0, _MAX_PARAMETERS_CHARS), _MAX_PARAMETERS):
        name = found[1].lower()
        quoted = found[2]
        text = found[3].strip() if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
        if "*" not in name:
            parameters.setdefault(name, text)
        elif part := _EXTENDED_NAME.fullmatch(name):
            # "name*" is a whole encoded value, "name*2" a piece, "name*2*" an encoded piece.
            encoded = part[2] is None or part[3] is not None
            number = int(part[2] or 0)
            extended.setdefault(part[1], {}).setdefault(number, (text, encoded))
    for name, text in parameters.items():
        if "=?" in text:
            parameters[name] = decode_words(text, defects)
    for name, segments in extended.items():
        parameters[name] = _join_extended(segments, defects)
    return parameters


def parse_content_type(value: str) -> str | None:
    """Return ``type/subtype`` in lower case, or None when it is not one."""
    content_type = value.partition(";")[0].strip().lower()
    return content_type if _CONTENT_TYPE.fullmatch(content_type) else None


def _parse_common_date(value: str) -> datetime | None:
    found = _COMMON_DATE.match(value)
    if found is None or (month := _MONTHS.get(found[2].lower())) is None:
        return None
    offset = timedelta(hours=int(found[8]), minutes=int(found[9]))
    zone = timezone(-offset if found[7] == "-" else offset)
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    # A leap second (RFC 5322 section 3.3) does not exist in Python.
    return datetime(int(found[3]), month, int(found[1]), hour, minute, min(second, 59), tzinfo=zone)


def parse_date(value: str) -> datetime | None:
    """Return the aware date of a Date header, or None for garbage and absurd years.

    A date without a zone is taken as UTC. Years 1970 to 2099 are believed.
    """
    value = clean_text(value[:_MAX_DATE_CHARS])
    try:
        date = _parse_common_date(value) or parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return date if _EARLIEST_DATE <= date < _LATEST_DATE else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
