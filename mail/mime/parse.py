"""Reading a received message: everything the mail server stores, from its bytes.

This runs for every message while the sending server waits, on input chosen by
strangers. So it never fails on content, never does more than linear work, and
never lets through a character that the database or JSON cannot carry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from mail.mime.addresses import Address, parse_address_list
from mail.mime.attachments import AttachmentContent, AttachmentPart, describe_attachments
from mail.mime.bodies import choose_contents, make_snippet, render_body
from mail.mime.defects import Defect, Defects
from mail.mime.headers import (
    MAX_HEADER_BYTES,
    Headers,
    HeaderTooLarge,
    decode_value,
    decode_words,
    parse_date,
    remove_controls,
    unfold,
)
from mail.mime.message_ids import (
    MAX_REFERENCES,
    find_message_ids,
    first_message_id,
    limit_references,
)
from mail.mime.structure import MAX_DEPTH, MAX_PARTS, normalize_line_ends, parse_structure

__all__ = [
    "MAX_DEPTH",
    "MAX_DISPLAY_NAME_CHARS",
    "MAX_HEADER_BYTES",
    "MAX_PARTS",
    "MAX_REFERENCES",
    "MAX_SUBJECT_CHARS",
    "AttachmentContent",
    "AttachmentPart",
    "HeaderTooLarge",
    "ParsedMail",
    "extract_attachment",
    "extract_attachments",
    "iter_attachments",
    "parse_mail",
]

MAX_SUBJECT_CHARS = 998
MAX_DISPLAY_NAME_CHARS = 255
_MAX_TEXT_HEADER_BYTES = 32 * 1024
_MAX_DISPLAY_NAME_INPUT_CHARS = 4096
_MAX_MESSAGE_ID_HEADER_BYTES = 8 * 1024
# Room for the first reference and for MAX_REFERENCES of the longest newest ones.
_REFERENCES_HEAD_BYTES = 8 * 1024
_REFERENCES_TAIL_BYTES = 128 * 1024
_BULK_PRECEDENCES = frozenset({"bulk", "junk", "list"})


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """What a message says about itself. Nothing in it has been verified."""

    message_id: str | None
    """With angle brackets; None when absent or unusable."""
    in_reply_to: str | None
    references: tuple[str, ...]
    """Oldest first, without duplicates, at most MAX_REFERENCES."""
    from_address: str
    """Bare address with its domain in lower case; empty when unusable."""
    from_display_name: str | None
    reply_to: tuple[str, ...]
    to_addresses: tuple[str, ...]
    cc_addresses: tuple[str, ...]
    subject: str | None
    date: datetime | None
    """Aware; None when absent, garbage or out of range."""
    body_text: str | None
    body_html: str | None
    """As received: it must be sanitized before display."""
    snippet: str | None
    attachments: tuple[AttachmentPart, ...]
    is_auto_submitted: bool
    """RFC 3834 Auto-Submitted other than ``no``, or Precedence bulk, junk or list."""
    is_list_mail: bool
    """A List-Id (RFC 2919) or List-Unsubscribe (RFC 2369) header is present."""
    defects: tuple[str, ...]
    dedup_key: str
    """Hex SHA-256, the same for every copy of the message whichever way it came."""


class _HeaderReader:
    """Typed reads of the headers of one message."""

    def __init__(self, headers: Headers, defects: Defects) -> None:
        self.headers = headers
        self.defects = defects

    def raw(self, name: bytes) -> bytes:
        """Return the first raw value, as DKIM-aware software reads a duplicated header."""
        values = self.headers.get(name)
        return values[0] if values else b""

    def word(self, name: bytes) -> str:
        """Return the first word of the value in lower case, without comment or parameters."""
        value = self.raw(name)[:_MAX_TEXT_HEADER_BYTES].decode("ascii", "replace")
        words = value.replace(";", " ").replace("(", " ").split(maxsplit=1)
        return words[0].lower() if words else ""

    def message_id(self, name: bytes) -> str | None:
        raw = self.raw(name)[:_MAX_MESSAGE_ID_HEADER_BYTES]
        return first_message_id(unfold(raw, self.defects)) if raw else None

    def references(self) -> tuple[str, ...]:
        values = self.headers.get(b"references")
        if not values:
            return ()
        raw = values[0] if len(values) == 1 else b" ".join(values)
        if len(raw) > _REFERENCES_HEAD_BYTES + _REFERENCES_TAIL_BYTES:
            self.defects.note(Defect.TOO_MANY_REFERENCES)
            # The bracket ends an identifier that the cut left open.
            head, tail = raw[:_REFERENCES_HEAD_BYTES], raw[-_REFERENCES_TAIL_BYTES:]
            raw = head + b" <" + tail.partition(b"<")[2]
        found = list(dict.fromkeys(find_message_ids(unfold(raw, self.defects))))
        if len(found) > MAX_REFERENCES:
            self.defects.note(Defect.TOO_MANY_REFERENCES)
        return limit_references(found, MAX_REFERENCES - 1)

    def addresses(self, name: bytes) -> list[Address]:
        values = self.headers.get(name)
        if not values:
            return []
        raw = values[0] if len(values) == 1 else b",".join(values)
        found, is_cut = parse_address_list(unfold(raw, self.defects))
        if is_cut:
            self.defects.note(Defect.TOO_MANY_ADDRESSES)
        return found

    def sender(self) -> tuple[str, str | None]:
        raw = self.raw(b"from")
        found = parse_address_list(unfold(raw, self.defects))[0] if raw else []
        if not found:
            self.defects.note(Defect.INVALID_FROM)
            return "", None
        name = found[0].name[:_MAX_DISPLAY_NAME_INPUT_CHARS]
        name = remove_controls(decode_words(name, self.defects))
        return found[0].address, " ".join(name.split())[:MAX_DISPLAY_NAME_CHARS] or None

    def subject(self) -> str | None:
        raw = self.raw(b"subject")
        if len(raw) > _MAX_TEXT_HEADER_BYTES:
            self.defects.note(Defect.SUBJECT_TRUNCATED)
            raw = raw[:_MAX_TEXT_HEADER_BYTES]
        subject = decode_value(raw, self.defects)
        if len(subject) > MAX_SUBJECT_CHARS:
            self.defects.note(Defect.SUBJECT_TRUNCATED)
            subject = subject[:MAX_SUBJECT_CHARS].rstrip()
        return subject or None

    def date(self) -> datetime | None:
        raw = self.raw(b"date")
        date = parse_date(unfold(raw, self.defects)) if raw else None
        if raw and date is None:
            self.defects.note(Defect.INVALID_DATE)
        return date


def _addresses(found: list[Address]) -> tuple[str, ...]:
    return tuple(item.address for item in found)


def _dedup_key(raw: bytes, body_start: int, reader: _HeaderReader, message_id: str | None) -> str:
    """Hash what stays the same when relays add trace headers or fold lines differently.

    Without Message-ID and Date nothing tells a repeated delivery from a second, equal message: then all bytes count.
    """
    if message_id is None and not reader.raw(b"date").strip():
        return hashlib.sha256(raw).hexdigest()
    digest = hashlib.sha256()
    for name in (b"message-id", b"from", b"subject", b"date"):
        value = b" ".join(reader.raw(name).split())
        digest.update(b"%d:%b\n" % (len(value), value))
    digest.update(memoryview(raw)[body_start:])
    return digest.hexdigest()


def parse_mail(raw: bytes) -> ParsedMail:
    """Read a message of any bytes at all.

    Raises nothing but :class:`HeaderTooLarge`, when the message's header block
    is over MAX_HEADER_BYTES: such a message is to be refused.
    """
    defects = Defects()
    raw = normalize_line_ends(raw, defects)
    root = parse_structure(raw, defects)
    reader = _HeaderReader(root.headers, defects)

    message_id = reader.message_id(b"message-id")
    if message_id is None and b"message-id" in root.headers:
        defects.note(Defect.INVALID_MESSAGE_ID)
    from_address, from_display_name = reader.sender()
    contents = choose_contents(root)
    body_text = render_body(raw, contents.text, rich=False, defects=defects)
    body_html = render_body(raw, contents.html, rich=True, defects=defects)
    attachments = tuple(attachment.part for attachment in describe_attachments(raw, contents.attachments, defects))
    return ParsedMail(
        message_id=message_id,
        in_reply_to=reader.message_id(b"in-reply-to"),
        references=reader.references(),
        from_address=from_address,
        from_display_name=from_display_name,
        reply_to=_addresses(reader.addresses(b"reply-to")),
        to_addresses=_addresses(reader.addresses(b"to")),
        cc_addresses=_addresses(reader.addresses(b"cc")),
        subject=reader.subject(),
        date=reader.date(),
        body_text=body_text,
        body_html=body_html,
        snippet=make_snippet(body_text, body_html),
        attachments=attachments,
        is_auto_submitted=reader.word(b"auto-submitted") not in {"", "no"}
        or reader.word(b"precedence") in _BULK_PRECEDENCES,
        is_list_mail=b"list-id" in root.headers or b"list-unsubscribe" in root.headers,
        defects=defects.codes(),
        dedup_key=_dedup_key(raw, root.start, reader, message_id),
    )


def iter_attachments(raw: bytes, only: int | None = None) -> Iterator[AttachmentContent]:
    """Yield all attachments, one held at a time; see :func:`extract_attachment`."""
    defects = Defects()
    raw = normalize_line_ends(raw, defects)
    contents = choose_contents(parse_structure(raw, defects))
    return describe_attachments(raw, contents.attachments, defects, only)


def extract_attachment(raw: bytes, part_index: int) -> AttachmentContent | None:
    """Return one attachment by its ``part_index``, or None when there is no such one.

    Raises HeaderTooLarge only for a message that :func:`parse_mail` refuses too.
    """
    if part_index < 0:
        return None
    return next(iter_attachments(raw, part_index), None)


def extract_attachments(raw: bytes) -> list[AttachmentContent]:
    """Return all attachments in the order of the message; see :func:`extract_attachment`."""
    return list(iter_attachments(raw))
