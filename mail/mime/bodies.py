"""Choosing and decoding the text of a message, and sorting out its attachments.

The choice looks only at headers, so that a listing of attachments and the
extraction of one agree without decoding anything twice.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from mail.html_text import html_to_text
from mail.mime.charsets import decode_text
from mail.mime.defects import Defect, Defects
from mail.mime.flowed import unwrap_flowed
from mail.mime.structure import Part
from mail.mime.transfer import decode_transfer

MAX_BODY_CHARS = 2 * 1024 * 1024
SNIPPET_CHARS = 200
_SNIPPET_SOURCE_CHARS = 2000
_SNIPPET_HTML_CHARS = 256 * 1024
_CONVERTED_HTML_CHARS = 512 * 1024  # all HTML of a message that becomes text

# Other renderings of the same body, which no mail reader lists as files.
_ALTERNATIVE_RENDERINGS = frozenset({"text/x-amp-html", "text/watch-html"})
# Text that is a file even when it is the whole message.
_TEXT_FILES = frozenset({"text/calendar", "text/csv", "text/vcard", "text/x-vcard"})
# Fillers that senders put after a preheader to keep the body out of the preview.
_INVISIBLE = str.maketrans(dict.fromkeys("\u00ad\u034f\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u2007", " "))


@dataclass(slots=True)
class Contents:
    """The parts that make each body, in order, and the parts that are attachments."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)


def is_broken_multipart(part: Part) -> bool:
    """Whether the part claims to be a multipart but has no parts; it is read as text."""
    return not part.is_multipart and part.content_type.startswith("multipart/")


def _body_kind(part: Part, is_root: bool) -> str | None:
    """Return ``"text"`` or ``"html"`` for a leaf that is shown, None for an attachment."""
    if part.disposition == "attachment" or part.disposition_parameters.get("filename") or part.parameters.get("name"):
        return None
    if part.content_type == "text/html":
        return "html"
    if part.content_type == "text/plain" or is_broken_multipart(part):
        return "text"
    if is_root and part.content_type.startswith("text/") and part.content_type not in _TEXT_FILES:
        return "text"
    return None


def _related_root(part: Part) -> Part:
    """Return the part that the others of a multipart/related belong to (RFC 2387)."""
    start = part.parameters.get("start", "").strip(" <>")
    if start:
        wanted = start.encode("utf-8", "replace")
        for child in part.children:
            values = child.headers.get(b"content-id")
            if values and values[0].strip(b" \t\r\n<>") == wanted:
                return child
    for child in part.children:
        if child.content_type.startswith(("multipart/", "text/")):
            return child
    return part.children[0]


def choose_contents(root: Part) -> Contents:
    """Decide for every part of a message whether it is body or attachment."""
    contents = Contents()
    contents.text, contents.html = _choose(root, contents, shown=True, is_root=True)
    return contents


def _choose(part: Part, contents: Contents, *, shown: bool, is_root: bool = False) -> tuple[list[Part], list[Part]]:
    """Return the parts of the text body and of the HTML body below ``part``."""
    if not part.is_multipart:
        kind = _body_kind(part, is_root) if shown else None
        if kind is None:
            contents.attachments.append(part)
            return [], []
        return ([part], []) if kind == "text" else ([], [part])
    if part.content_type == "multipart/alternative":
        return _choose_alternative(part, contents, shown=shown)
    related_root = _related_root(part) if part.content_type == "multipart/related" else None
    found = [
        _choose(child, contents, shown=shown and (related_root is None or child is related_root))
        for child in part.children
    ]
    # A sibling without the wanted kind is converted when the body is rendered.
    has_text = any(text for text, _ in found)
    has_html = any(rich for _, rich in found)
    return (
        [piece for text, rich in found for piece in text or rich] if has_text else [],
        [piece for text, rich in found for piece in rich or text] if has_html else [],
    )


def _choose_alternative(part: Part, contents: Contents, *, shown: bool) -> tuple[list[Part], list[Part]]:
    """Take the last, best alternative of each kind (RFC 2046 section 5.1.4)."""
    text: list[Part] = []
    rich: list[Part] = []
    for child in part.children:
        if child.content_type in _ALTERNATIVE_RENDERINGS:
            continue
        child_text, child_rich = _choose(child, contents, shown=shown)
        text = child_text or text
        rich = child_rich or rich
    return text, rich


def decode_content(raw: bytes, part: Part, defects: Defects) -> bytes:
    """Return the content of a leaf with its transfer encoding undone."""
    values = part.headers.get(b"content-transfer-encoding")
    data = raw[part.start : part.end]
    if not values or is_broken_multipart(part):
        return data
    words = values[0].decode("ascii", "replace").lower().partition(";")[0].split()
    return decode_transfer(data, words[0] if words else "", defects)


def decode_text_part(raw: bytes, part: Part, defects: Defects) -> str:
    """Return the text of a text part with LF line ends and format=flowed undone (RFC 3676)."""
    charset = part.parameters.get("charset", "").partition(" ")[0]
    text = decode_text(decode_content(raw, part, defects), charset or None, defects)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_BODY_CHARS:
        defects.note(Defect.BODY_TRUNCATED)
        text = text[:MAX_BODY_CHARS]
    if part.content_type == "text/plain" and part.parameters.get("format", "").lower() == "flowed":
        text = unwrap_flowed(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text


def _as_html(text: str) -> str:
    return f'<div style="white-space: pre-wrap">{html.escape(text)}</div>'


def render_body(raw: bytes, parts: list[Part], *, rich: bool, defects: Defects) -> str | None:
    """Join the parts of one body; None when there is nothing to show.

    At most MAX_BODY_CHARS characters; parts of the other kind are converted.
    """
    pieces: list[str] = []
    size = 0
    convertible = _CONVERTED_HTML_CHARS
    for part in parts:
        piece = decode_text_part(raw, part, defects)
        is_html = part.content_type == "text/html"
        if is_html and not rich:
            source, convertible = piece[:convertible], max(0, convertible - len(piece))
            if len(source) < len(piece):
                defects.note(Defect.BODY_TRUNCATED)
            piece = html_to_text(source) + "\n"
        elif rich and not is_html:
            piece = _as_html(piece)
        if pieces and not pieces[-1].endswith("\n"):
            piece = "\n" + piece
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY_CHARS:
            defects.note(Defect.BODY_TRUNCATED)
            break
    return "".join(pieces)[:MAX_BODY_CHARS] or None


def make_snippet(body_text: str | None, body_html: str | None) -> str | None:
    """Return the beginning of the message on one line, or None when nothing is visible."""
    snippet = _one_line(body_text) if body_text else ""
    if not snippet and body_html:
        snippet = _one_line(html_to_text(body_html[:_SNIPPET_HTML_CHARS], max_chars=_SNIPPET_SOURCE_CHARS))
    return snippet or None


def _one_line(text: str) -> str:
    text = text.lstrip()[:_SNIPPET_SOURCE_CHARS]
    if not text.isascii():
        text = text.translate(_INVISIBLE)
    return " ".join(text.split())[:SNIPPET_CHARS].rstrip()
