"""Content-Transfer-Encoding (RFC 2045 section 6), forgiving on the way in."""

from __future__ import annotations

import binascii

from mail.mime.defects import Defect, Defects

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(byte for byte in range(256) if byte not in _BASE64_ALPHABET)
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
_MAX_BROKEN_LINES = 10_000
_MAX_LINES = 600_000  # of 45 bytes each
_UUENCODE = frozenset({"x-uuencode", "uuencode", "uue", "x-uue"})


def decode_base64(data: bytes, defects: Defects) -> bytes:
    """Decode base64, skipping foreign characters and completing a missing end."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        defects.note(Defect.BROKEN_BASE64)
    letters = data.partition(b"=")[0].translate(None, _NOT_BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def decode_quoted_printable(data: bytes) -> bytes:
    """Decode quoted-printable; a broken escape stays as it is written."""
    return binascii.a2b_qp(data)


def _decode_uuencode(data: bytes) -> bytes:
    decoded = bytearray()
    inside = False
    broken_lines = 0
    for line in data.split(b"\n", _MAX_LINES)[:_MAX_LINES]:
        if not inside:
            inside = line.startswith(b"begin ")
            continue
        if line.strip() in {b"end", b"", b"`"}:
            break
        try:
            decoded += binascii.a2b_uu(line.rstrip(b"\r"))
        except binascii.Error:
            broken_lines += 1
            if broken_lines > _MAX_BROKEN_LINES:
                break
            # Some encoders pad the line with garbage; its first byte tells the true length.
            length = ((line[0] - 32) & 63) * 4 // 3 + 2
            try:
                decoded += binascii.a2b_uu(line[:length])
            except binascii.Error:
                continue
    return bytes(decoded)


def decode_transfer(data: bytes, encoding: str, defects: Defects) -> bytes:
    """Undo a transfer encoding; an unknown one leaves the bytes as they are."""
    if encoding in _IDENTITY:
        return data
    if encoding == "quoted-printable":
        return decode_quoted_printable(data)
    if encoding == "base64":
        return decode_base64(data, defects)
    if encoding in _UUENCODE:
        return _decode_uuencode(data)
    defects.note(Defect.UNKNOWN_TRANSFER_ENCODING)
    return data
