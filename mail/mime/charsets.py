"""Turning bytes of any claimed charset into text that can be stored.

A sender's charset label is often missing, invented or wrong, and the text must
survive anyway. Two things must never come out: NUL, which PostgreSQL refuses,
and lone surrogates, which UTF-8 cannot carry.

Charset names are looked up in a fixed table and never given to
``codecs.lookup``: that would import modules by a name the sender chose, keep
every unknown name in memory, and reach codecs that are not charsets at all
(``punycode`` is quadratic, ``unicode_escape`` produces surrogates).
"""

from __future__ import annotations

import codecs
from encodings import cp1252
from encodings.aliases import aliases

from mail.mime.defects import Defect, Defects

_MAX_CHARSET_NAME_CHARS = 40

_NOT_CHARSETS = frozenset(
    {
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "quopri_codec",
        "raw_unicode_escape",
        "rot_13",
        "undefined",
        "unicode_escape",
        "uu_codec",
        "zlib_codec",
    }
)

# Codecs without an alias of their own, and labels seen in mail that Python does not know.
_EXTRA_LABELS = {
    "cp1006": "cp1006",
    "cp720": "cp720",
    "cp737": "cp737",
    "cp856": "cp856",
    "cp874": "cp874",
    "cp875": "cp875",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
    "koi8_t": "koi8_t",
    "koi8_u": "koi8_u",
    "mac_croatian": "mac_croatian",
    "mac_romanian": "mac_romanian",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_2_0_utf_8": "utf_8",
    "utf8mb4": "utf_8",
    "utf_8_sig": "utf_8_sig",
    "win_1250": "cp1250",
    "win_1251": "cp1251",
    "win_1252": "cp1252",
    "windows_874": "cp874",
    "x_euc_jp": "euc_jp",
    "x_gbk": "gb18030",
    "x_mac_cyrillic": "mac_cyrillic",
    "x_mac_roman": "mac_roman",
    "x_sjis": "cp932",
}

# Senders label text with the older set and use the newer one, as browsers assume.
_SUPERSETS = {
    "ascii": "utf_8",
    "big5": "cp950",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859_9": "cp1254",
    "latin_1": "windows-1252",
    "shift_jis": "cp932",
    "tis_620": "cp874",
    "cp1252": "windows-1252",
}

_WINDOWS_1252 = "windows-1252"

# Five bytes are undefined in windows-1252; they become the C1 control of their
# number so that this decoding cannot fail.
_WINDOWS_1252_TABLE = "".join(
    chr(byte) if char == "\ufffe" else char for byte, char in enumerate(cp1252.decoding_table)
)


def _build_codec_table() -> dict[str, str]:
    table = {codec: codec for codec in aliases.values()}
    table.update(aliases)
    table.update(_EXTRA_LABELS)
    return {label: _SUPERSETS.get(codec, codec) for label, codec in table.items() if codec not in _NOT_CHARSETS}


_CODECS = _build_codec_table()


def find_codec(label: str) -> str | None:
    """Return the codec for a charset label of a message, or None for an unknown one."""
    if len(label) > _MAX_CHARSET_NAME_CHARS:
        return None
    name = label.strip(" \t\"'").lower().replace("-", "_").replace(".", "_").replace(" ", "_")
    return _CODECS.get(name)


def clean_text(text: str) -> str:
    """Remove NUL and replace lone surrogates, so that the text can be stored and sent."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _decode_windows_1252(data: bytes) -> str:
    return codecs.charmap_decode(data, "strict", _WINDOWS_1252_TABLE)[0]


def _decode_strictly(data: bytes, codec: str) -> str | None:
    if codec == _WINDOWS_1252:
        return _decode_windows_1252(data)
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _decode_mostly(data: bytes, codec: str) -> str | None:
    """Decode with replacement characters when the label is right for most of the text."""
    try:
        text = data.decode(codec, "replace")
    except (UnicodeError, ValueError):
        return None
    bad = text.count("\ufffd")
    not_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return text if not_ascii - bad >= bad else None


def _choose_codec(data: bytes, charset: str | None, defects: Defects) -> str:
    if not charset:
        return "utf_8"
    codec = find_codec(charset)
    if codec is None:
        defects.note(Defect.UNKNOWN_CHARSET)
        return "utf_8"
    if codec.startswith(("utf_16", "utf_32")) and b"\x00" not in data:
        # Nearly any bytes decode as UTF-16, into nonsense; real UTF-16 has NULs.
        defects.note(Defect.BROKEN_CHARSET)
        return "utf_8"
    return codec


def decode_text(data: bytes, charset: str | None, defects: Defects) -> str:
    """Decode bytes by their declared charset, or the nearest guess; never fails.

    Tried in this order: the declared charset, UTF-8, the declared charset with
    replacement characters when it fits most of the text, windows-1252.
    """
    codec = _choose_codec(data, charset, defects)
    text = _decode_strictly(data, codec)
    if text is None:
        if charset:
            defects.note(Defect.BROKEN_CHARSET)
        if codec != "utf_8":
            text = _decode_strictly(data, "utf_8")
        if text is None:
            text = _decode_mostly(data, codec)
        if text is None:
            text = _decode_windows_1252(data)
    return clean_text(text.removeprefix("\ufeff"))
