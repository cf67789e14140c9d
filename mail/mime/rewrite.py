"""Change the HTML of a message that build.py wrote, and leave every other byte as it is."""

from __future__ import annotations

import base64
import binascii

from mail.html_edit import insert_at_end
from mail.mime.bodies import choose_contents, decode_content
from mail.mime.defects import Defects
from mail.mime.structure import parse_structure


def insert_html(raw: bytes, fragment: str) -> bytes:
    """The message with `fragment` (ASCII, short lines) at the end of its HTML body; unchanged when it has none."""
    defects = Defects()
    shown = choose_contents(parse_structure(raw, defects)).html
    if not shown:
        return raw
    part = shown[-1]
    values = part.headers.get(b"content-transfer-encoding") or [b"7bit"]
    document = decode_content(raw, part, defects).decode("utf-8", "surrogateescape")
    changed = insert_at_end(document, f"\r\n{fragment}\r\n").encode("utf-8", "surrogateescape")
    body = _encode(changed, values[0].strip().lower())
    if part.end == len(raw) and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return raw[: part.start] + body + raw[part.end :]


def _encode(content: bytes, encoding: bytes) -> bytes:
    """As build.py does it."""
    if encoding == b"base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    if encoding == b"quoted-printable":
        return binascii.b2a_qp(content + b"\r\n", istext=True).removesuffix(b"\r\n")
    return content
