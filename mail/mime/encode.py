"""Writing header fields: folding, RFC 2047 words, RFC 2231 parameters, addresses.

Every function returns text with CRLF line ends and lines far under the 998
octets of RFC 5322 section 2.1.1. A value that could end its own header is
refused with a ValueError that names the field.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import idna

from mail.mime.addresses import normalize_address
from mail.mime.message_ids import is_message_id

_LINE_CHARS = 76
_MAX_TOKEN_CHARS = 900
_MAX_QUOTED_CHARS = 200
_MAX_PARAMETER_PIECE_CHARS = 56
_WORD_OVERHEAD = len("=?utf-8?q??=")
_MIN_WORD_CHARS = 24  # room for one character of four bytes in either encoding

_TOKENS = re.compile(r" *[^ ]+")
_PHRASE_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_BYTES = ["_" if byte == 0x20 else chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in range(256)]


def check_header_value(field: str, value: str) -> None:
    """Refuse what would end the header or could not be encoded.

    Raises ValueError naming ``field`` for line breaks, NUL and lone surrogates.
    """
    if any(char in value for char in "\r\n\x00"):
        raise ValueError(f"{field} must not contain line breaks or NUL.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{field} must be valid Unicode text.") from None


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and "=?" not in value and value == value.strip()


def encode_words(value: str, used_chars: int) -> str:
    """Return the text as folded RFC 2047 words; ``used_chars`` of the first line are taken.

    Characters are never split between words. Quoted-printable or base64,
    whichever is shorter.
    """
    data = value.encode()
    use_q = sum(len(_Q_BYTES[byte]) for byte in data) <= len(data) * 4 // 3
    words: list[str] = []
    room = max(_MIN_WORD_CHARS, _LINE_CHARS - used_chars) - _WORD_OVERHEAD
    pending = bytearray()
    size = 0
    for char in value:
        char_bytes = char.encode()
        if use_q:
            char_size = sum(len(_Q_BYTES[byte]) for byte in char_bytes)
            is_full = size + char_size > room
        else:
            char_size = len(char_bytes)
            is_full = (size + char_size + 2) // 3 * 4 > room
        if is_full and pending:
            words.append(_word(bytes(pending), use_q))
            pending.clear()
            size = 0
            room = _LINE_CHARS - 1 - _WORD_OVERHEAD
        pending += char_bytes
        size += char_size
    words.append(_word(bytes(pending), use_q))
    return "\r\n ".join(words)


def _word(data: bytes, use_q: bool) -> str:
    if use_q:
        return f"=?utf-8?q?{''.join(_Q_BYTES[byte] for byte in data)}?="
    return f"=?utf-8?b?{base64.b64encode(data).decode('ascii')}?="


def _join_folded(name: str, tokens: Iterable[str]) -> str:
    """Join tokens, which carry their leading space, breaking lines before a token."""
    lines: list[str] = []
    line = f"{name}:"
    for token in tokens:
        if len(line) + len(token) > _LINE_CHARS and not line.endswith(":"):
            lines.append(line)
            line = token
        else:
            line += token
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def unstructured_header(name: str, value: str) -> str:
    """Return a header of free text; anything but plain ASCII becomes RFC 2047 words."""
    tokens = _TOKENS.findall(value)
    if not _is_plain(value) or any(len(token) > _MAX_TOKEN_CHARS for token in tokens):
        return f"{name}: {encode_words(value, len(name) + 2)}\r\n"
    return _join_folded(name, [" " + token if index == 0 else token for index, token in enumerate(tokens)])


def encode_domain(field: str, domain: str) -> str:
    """Return the ASCII form of a domain (IDNA 2008); ValueError naming ``field`` if it has none."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"{field} has an invalid internationalized domain.") from error


def encode_address(field: str, address: str) -> str:
    """Return a bare address for a header: domain in ASCII, local part as it is (RFC 6532).

    Raises ValueError naming ``field`` when it is not one address.
    """
    check_header_value(field, address)
    if not normalize_address(address) or address != address.strip() or not address.isprintable():
        raise ValueError(f"{field} must be a bare email address.")
    local, _at, domain = address.rpartition("@")
    return f"{local}@{encode_domain(field, domain)}"


def encode_mailbox(field: str, address: str, name: str | None, used_chars: int) -> str:
    """Return ``name <address>`` with the name quoted or encoded as it needs."""
    encoded = encode_address(field, address)
    if not name:
        return encoded
    if not _is_plain(name) or len(name) > _MAX_QUOTED_CHARS:
        return f"{encode_words(name, used_chars)}\r\n <{encoded}>"
    if not _PHRASE_ATOMS.fullmatch(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{encoded}>"


def address_list_header(name: str, addresses: Sequence[str]) -> str:
    """Return a folded header of encoded addresses."""
    last = len(addresses) - 1
    return _join_folded(name, (f" {item}{',' if index < last else ''}" for index, item in enumerate(addresses)))


def message_ids_header(name: str, field: str, identifiers: Sequence[str]) -> str:
    """Return a folded header of Message-IDs; ValueError naming ``field`` for an unusable one."""
    for identifier in identifiers:
        check_header_value(field, identifier)
        if not is_message_id(identifier):
            raise ValueError(f"{field} must be Message-IDs in angle brackets.")
    return _join_folded(name, (f" {identifier}" for identifier in identifiers))


def _pieces(encoded: str) -> list[str]:
    """Cut percent-encoded text without cutting an escape."""
    pieces: list[str] = []
    start = 0
    while start < len(encoded):
        end = start + _MAX_PARAMETER_PIECE_CHARS
        if encoded[end - 1 : end] == "%":
            end -= 1
        elif encoded[end - 2 : end - 1] == "%":
            end -= 2
        pieces.append(encoded[start:end])
        start = end
    return pieces


def parameter(name: str, value: str) -> str:
    """Return a MIME parameter with its leading separator, by RFC 2231 when it is not ASCII."""
    if _is_plain(value) and len(value) <= _MAX_QUOTED_CHARS:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    pieces = _pieces("utf-8''" + quote(value, safe=""))
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}"
    return "".join(f";\r\n {name}*{index}*={piece}" for index, piece in enumerate(pieces))
