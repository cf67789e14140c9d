"""Names, types and contents of the attachments of a message.

A filename goes unescaped into a URL path and into a download header, so it
is made harmless here, once, and is unique inside its message.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass

from mail.mime.bodies import decode_content
from mail.mime.defects import Defects
from mail.mime.headers import HeaderTooLarge, decode_value, scan_header_block
from mail.mime.structure import Part

MAX_FILENAME_CHARS = 200
_MAX_EXTENSION_CHARS = 20
_MAX_CONTENT_ID_CHARS = 255
_MAX_CONTENT_ID_HEADER_BYTES = 2048
_MAX_INPUT_NAME_CHARS = 4096
_FORBIDDEN = str.maketrans(dict.fromkeys("/\\?#"))

# Only the types built into Python, so that a name does not depend on the machine.
_TYPES = mimetypes.MimeTypes(filenames=())
_EXTENSIONS = {
    "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s",
    "application/octet-stream": ".bin",
    "image/jpeg": ".jpg",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/global": ".eml",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
}
_EMBEDDED_MESSAGES = frozenset({"message/rfc822", "message/global"})


@dataclass(frozen=True, slots=True)
class AttachmentPart:
    """One entry of the wire's ``attachment_metadata``; ``size`` is in decoded bytes."""

    part_index: int
    filename: str
    content_type: str
    size: int
    content_id: str | None
    is_inline: bool
    charset: str | None = None
    """Of a text, as the sender wrote it; not checked."""


@dataclass(frozen=True, slots=True)
class AttachmentContent:
    """An attachment with its decoded bytes."""

    part: AttachmentPart
    content: bytes


def sanitize_filename(name: str) -> str:
    """Make a sender's filename safe for a path; may return an empty string.

    Removes ``/ \\ ? #``, control and invisible characters and leading dots, and
    keeps at most MAX_FILENAME_CHARS including the extension.
    """
    name = " ".join(name[:_MAX_INPUT_NAME_CHARS].translate(_FORBIDDEN).split())
    if not name.isprintable():
        name = "".join(char for char in name if char.isprintable())
    return _shorten(name.lstrip(". ").rstrip(), MAX_FILENAME_CHARS)


def _split_extension(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > _MAX_EXTENSION_CHARS:
        return name, ""
    return stem, dot + extension


def _shorten(name: str, limit: int) -> str:
    if len(name) <= limit:
        return name
    stem, extension = _split_extension(name)
    return stem[: limit - len(extension)].rstrip() + extension


def _extension(content_type: str) -> str:
    known = _EXTENSIONS.get(content_type)
    return known or _TYPES.guess_extension(content_type) or ".bin"


class FilenameAllocator:
    """Hands out names that differ inside one message, ignoring case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next_number: dict[str, int] = {}

    def allocate(self, name: str) -> str:
        """Return the name, or ``name (2).ext`` and so on when it is taken."""
        candidate = name
        key = name.casefold()
        number = self._next_number.get(key, 2)
        while candidate.casefold() in self._taken:
            stem, extension = _split_extension(name)
            suffix = f" ({number}){extension}"
            candidate = stem[: MAX_FILENAME_CHARS - len(suffix)].rstrip() + suffix
            number += 1
        self._next_number[key] = number
        self._taken.add(candidate.casefold())
        return candidate


def _embedded_subject(raw: bytes, part: Part) -> str:
    try:
        headers, _ = scan_header_block(raw[part.start : part.end], 0, Defects())
    except HeaderTooLarge:
        return ""
    values = headers.get(b"subject")
    return decode_value(values[0], Defects()) if values else ""


def _choose_filename(raw: bytes, part: Part, number: int) -> str:
    declared = part.disposition_parameters.get("filename") or part.parameters.get("name")
    name = sanitize_filename(declared) if declared else ""
    if name:
        return name
    if part.content_type in _EMBEDDED_MESSAGES:
        return _message_filename(raw, part)
    return f"attachment-{number}{_extension(_content_type(part))}"


def _message_filename(raw: bytes, part: Part) -> str:
    stem = sanitize_filename(_embedded_subject(raw, part))
    return _shorten(f"{stem or 'message'}.eml", MAX_FILENAME_CHARS)


def _content_type(part: Part) -> str:
    """Return the type to report: unusable ones, and multiparts without parts, are bytes."""
    if (b"content-type" in part.headers and not part.is_type_declared) or (part.content_type.startswith("multipart/")):
        return "application/octet-stream"
    return part.content_type


def _charset(part: Part) -> str | None:
    return part.parameters.get("charset") if part.content_type.startswith("text/") else None


def _content_id(part: Part, defects: Defects) -> str | None:
    values = part.headers.get(b"content-id")
    if not values:
        return None
    value = "".join(decode_value(values[0][:_MAX_CONTENT_ID_HEADER_BYTES], defects).split()).strip("<>")
    return value[:_MAX_CONTENT_ID_CHARS] or None


def describe_attachments(
    raw: bytes, parts: list[Part], defects: Defects, only: int | None = None
) -> Iterator[AttachmentContent]:
    """Yield the attachments with their contents, or just the one with index ``only``.

    Names are worked out for all, so that a name does not depend on what is asked.
    One content is held at a time.
    """
    names = FilenameAllocator()
    for index, part in enumerate(parts):
        filename = names.allocate(_choose_filename(raw, part, index + 1))
        if only is not None and index != only:
            continue
        content = decode_content(raw, part, defects)
        content_id = _content_id(part, defects)
        is_inline = part.disposition == "inline" or (part.disposition is None and content_id is not None)
        yield AttachmentContent(
            AttachmentPart(index, filename, _content_type(part), len(content), content_id, is_inline, _charset(part)),
            content,
        )
