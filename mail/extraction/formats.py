"""Which attachments text is extracted from. Pure."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """A kind of file that text can be extracted from."""

    PDF = "pdf"
    DOCX = "docx"
    XLSX = "xlsx"
    HTML = "html"
    PLAIN = "plain"


_OFFICE = "application/vnd.openxmlformats-officedocument"
_TYPES = {
    "application/pdf": Format.PDF,
    "application/x-pdf": Format.PDF,
    f"{_OFFICE}.wordprocessingml.document": Format.DOCX,
    f"{_OFFICE}.spreadsheetml.sheet": Format.XLSX,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "application/json": Format.PLAIN,
    "application/xml": Format.PLAIN,
}
_EXTENSIONS = {
    "pdf": Format.PDF,
    "docx": Format.DOCX,
    "xlsx": Format.XLSX,
    "htm": Format.HTML,
    "html": Format.HTML,
    "csv": Format.PLAIN,
    "json": Format.PLAIN,
    "log": Format.PLAIN,
    "md": Format.PLAIN,
    "txt": Format.PLAIN,
    "xml": Format.PLAIN,
}
# What senders write when they do not know better; then the name decides.
_VAGUE = frozenset(
    {"application/octet-stream", "application/download", "application/x-download", "binary/octet-stream"}
)


def format_of(content_type: str, filename: str) -> Format | None:
    """By the declared type, and by the name where that says nothing; None for other files."""
    declared = content_type.partition(";")[0].strip().lower()
    if declared in _TYPES:
        return _TYPES[declared]
    if declared.startswith("text/"):
        return Format.PLAIN
    return _EXTENSIONS.get(filename.rpartition(".")[2].lower()) if declared in _VAGUE else None
