"""What was wrong with a message and repaired while it was read.

Defects are stored with the message so that an operator can tell a broken
sender from a broken parser. They never make a message unreadable.
"""

from __future__ import annotations

from enum import StrEnum


class Defect(StrEnum):
    """Short codes of everything the parser repairs or cuts."""

    BARE_CR_LINE_ENDS = "bare_cr_line_ends"
    BODY_TRUNCATED = "body_truncated"
    BOUNDARY_NOT_FOUND = "boundary_not_found"
    BROKEN_BASE64 = "broken_base64"
    BROKEN_CHARSET = "broken_charset"
    HEADER_NOT_UTF8 = "header_not_utf8"
    INVALID_DATE = "invalid_date"
    INVALID_FROM = "invalid_from"
    INVALID_MESSAGE_ID = "invalid_message_id"
    MISSING_BOUNDARY = "missing_boundary"
    MISSING_HEADER_SEPARATOR = "missing_header_separator"
    NO_HEADERS = "no_headers"
    PART_HEADER_TOO_LARGE = "part_header_too_large"
    SUBJECT_TRUNCATED = "subject_truncated"
    TOO_DEEP = "too_deep"
    TOO_MANY_ADDRESSES = "too_many_addresses"
    TOO_MANY_PARTS = "too_many_parts"
    TOO_MANY_REFERENCES = "too_many_references"
    TRUNCATED_MULTIPART = "truncated_multipart"
    UNKNOWN_CHARSET = "unknown_charset"
    UNKNOWN_TRANSFER_ENCODING = "unknown_transfer_encoding"


class Defects:
    """An ordered set of defects, filled while one message is read."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[Defect, None] = {}

    def note(self, defect: Defect) -> None:
        """Remember the defect once, in the order of first sight."""
        self._seen[defect] = None

    def codes(self) -> tuple[str, ...]:
        """Return the wire codes in the order they were met."""
        return tuple(defect.value for defect in self._seen)
