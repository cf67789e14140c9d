"""Read what mail systems send back: delivery status (RFC 3464), complaints (RFC 5965), plain-worded bounces. Pure.

Input comes from strangers, so work is linear and bounded, and nothing raises but HeaderTooLarge, as in `parse_mail`.
Whether a report is believed is decided elsewhere, by the address it came to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mail.addresses import normalize_address
from mail.bounces.refusals import enhanced_status, is_temporary
from mail.mime.defects import Defects
from mail.mime.headers import decode_value, remove_controls, unfold
from mail.mime.message_ids import first_message_id
from mail.mime.structure import Part, normalize_line_ends, parse_structure
from mail.mime.transfer import decode_transfer

_FIELDS_MAX_BYTES = 256 * 1024
_TEXT_MAX_BYTES = 64 * 1024
_GROUPS_MAX = 500
_DETAIL_MAX_CHARS = 500
_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINAL_TYPES = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
_ANY_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_BLANK_LINES = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
_MESSAGE_ID = re.compile(rb"(?im)^message-id[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FAILED_RECIPIENTS = re.compile(rb"(?im)^x-failed-recipients[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_BOUNCE_SENDER = re.compile(rb"(?i)mailer-daemon|postmaster|mail delivery (?:sub)?system|maildelivery")
_BOUNCE_SUBJECT = re.compile(
    r"(?i)undeliver|unzustellbar|failure notice|returned mail|returned to sender|mail delivery failed"
    r"|delivery (?:status notification|failure|has failed|report)|message could not be delivered"
)
_DELAY = re.compile(
    r"(?i)\bdelayed\b|\b(?:still|will (?:be|keep)) (?:being )?(?:re)?tr(?:y|ied|ying)|not yet been delivered"
    r"|no action is required|warning message only|delivery warning"
)
_PERMANENT_CODE = re.compile(r"(?<![\d.])5(?:\d\d\b|\.\d{1,3}\.\d{1,3}\b)")
_ANSWERED_FOR_LINES = 12


class Action(StrEnum):
    """What the reporting system did (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    COMPLAINED = "complained"


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """One recipient of the original message; `addresses` as it was given first, then as it was tried last."""

    addresses: tuple[str, ...]
    action: Action
    detail: str = ""

    @property
    def is_temporary(self) -> bool:
        """A failure that was temporary to the end: the other system gave up waiting."""
        return is_temporary(self.detail)


@dataclass(frozen=True, slots=True)
class Report:
    """What came back. `text` is filled when no machine-readable part is there, and is then all there is."""

    recipients: tuple[RecipientReport, ...]
    original_message_id: str | None = None
    text: str = ""


def parse_report(raw: bytes) -> Report | None:
    """The report in a message; None when it is none (an answer of a person or of a holiday notice)."""
    defects = Defects()
    raw = normalize_line_ends(raw, defects)
    root = parse_structure(raw, defects)
    leaves = list(_leaves(root))
    original_id = next((found for part in leaves if (found := _original_message_id(raw, part))), None)
    for part in leaves:
        if part.content_type in _STATUS_TYPES:
            groups = _groups(_content(raw, part, defects, _FIELDS_MAX_BYTES))
            return Report(tuple(_status_reports(groups)), original_id)
        if part.content_type == "message/feedback-report":
            groups = _groups(_content(raw, part, defects, _FIELDS_MAX_BYTES))
            return Report(tuple(_complaints(groups)), original_id)
    return _plain_report(raw, root, leaves, defects, original_id)


def failures_in_text(report: Report, known: Sequence[str]) -> list[RecipientReport]:
    """Failures that a plain-worded bounce names, among the addresses of the original message.

    An address counts when a permanent code stands near it, or when it is the only one that was written to. Words of
    delay anywhere make the whole text say nothing.
    """
    if not report.text or _DELAY.search(report.text):
        return []
    lines = report.text.splitlines()
    lowered = [line.lower() for line in lines]
    first_lines = {
        address: next((n for n, line in enumerate(lowered) if normalize_address(address) in line), None)
        for address in dict.fromkeys(known)
    }
    found = []
    for address, at in first_lines.items():
        if at is None:
            near = report.text if len(first_lines) == 1 else ""
        else:
            # What is said below the next address is about that one.
            following = [n for n in first_lines.values() if n is not None and n > at]
            near = "\n".join(lines[at : min([at + _ANSWERED_FOR_LINES, *following])])
        if (code := _PERMANENT_CODE.search(near)) is not None:
            found.append(RecipientReport((address,), Action.FAILED, _clean(near[code.start() :])))
    return found


def _leaves(part: Part) -> Iterator[Part]:
    pending = [part]
    while pending:
        found = pending.pop()
        if found.is_multipart:
            pending += reversed(found.children)
        else:
            yield found


def _content(raw: bytes, part: Part, defects: Defects, limit: int) -> bytes:
    encoding = part.headers.get(b"content-transfer-encoding", [b""])[0].decode("ascii", "replace").strip().lower()
    return decode_transfer(raw[part.start : min(part.end, part.start + 2 * limit)], encoding, defects)[:limit]


def _original_message_id(raw: bytes, part: Part) -> str | None:
    if part.content_type not in _ORIGINAL_TYPES:
        return None
    content = _content(raw, part, Defects(), _TEXT_MAX_BYTES)
    found = _MESSAGE_ID.search(_HEADER_END.split(content.lstrip(), maxsplit=1)[0])
    return first_message_id(unfold(found[1], Defects())) if found else None


def _groups(content: bytes) -> list[dict[str, str]]:
    """Blocks of fields (RFC 3464 section 2.1), names in lower case; the first of equal names counts."""
    groups = []
    for block in _BLANK_LINES.split(content)[:_GROUPS_MAX]:
        fields: dict[str, str] = {}
        for found in _ANY_FIELD.finditer(block):
            value = " ".join(unfold(found[2], Defects()).split())
            fields.setdefault(found[1].decode("ascii").lower(), value)
        if fields:
            groups.append(fields)
    return groups


def _status_reports(groups: Sequence[dict[str, str]]) -> Iterator[RecipientReport]:
    for fields in groups:
        addresses = [_typed_address(fields.get(name, "")) for name in ("original-recipient", "final-recipient")]
        named = tuple(dict.fromkeys(address for address in addresses if address))
        status = enhanced_status(fields.get("status", "")) or ""
        action = fields.get("action", "").partition("(")[0].strip().lower()
        if not action and status:
            action = {"5": Action.FAILED, "4": Action.DELAYED, "2": Action.DELIVERED}[status[0]]
        if not named or action not in tuple(Action) or action == Action.COMPLAINED:
            continue
        words = fields.get("diagnostic-code", "").partition(";")[2].strip()
        # The status is what the reporting system concluded; its own words may hold none, or another one.
        detail = words if enhanced_status(words) == status or not status else f"{status} {words}".strip()
        yield RecipientReport(named, Action(action), _clean(detail))


def _complaints(groups: Sequence[dict[str, str]]) -> Iterator[RecipientReport]:
    """RFC 5965: abuse and fraud are complaints; `not-spam` and reports about authentication are none."""
    for fields in groups:
        kind = fields.get("feedback-type", "").lower()
        if kind in {"abuse", "fraud", "virus", "other"}:
            address = _typed_address(fields.get("original-rcpt-to", "")) or _typed_address(
                fields.get("removal-recipient", "")
            )
            # Most senders of complaints leave the address out, to protect whoever complained.
            yield RecipientReport((address,) if address else (), Action.COMPLAINED, f"Complaint ({kind}).")
            return


def _clean(text: str) -> str:
    """One storable line."""
    return " ".join(remove_controls(text[: 2 * _DETAIL_MAX_CHARS]).split())[:_DETAIL_MAX_CHARS]


def _typed_address(value: str) -> str:
    """`rfc822; <ada@x.example>` and its careless spellings."""
    kind, separator, rest = value.partition(";")
    address = normalize_address(rest if separator else kind)
    return address if "@" in address and " " not in address else ""


def _plain_report(
    raw: bytes, root: Part, leaves: Sequence[Part], defects: Defects, original_id: str | None
) -> Report | None:
    """A bounce without a machine-readable part, told by its sender and subject."""
    header = raw[: root.start]
    sender = b" ".join(root.headers.get(b"from", [b""]))[:1000]
    subject = decode_value(root.headers.get(b"subject", [b""])[0][:1000], defects)
    named = _FAILED_RECIPIENTS.search(header)
    looks_like_one = _BOUNCE_SENDER.search(sender) and _BOUNCE_SUBJECT.search(subject)
    if named is None and not looks_like_one:
        return None
    text = ""
    for part in leaves:
        if part.content_type == "text/plain":
            text = _content(raw, part, defects, _TEXT_MAX_BYTES).decode("utf-8", "replace")
            break
    if named is not None and not _DELAY.search(text):
        addresses = [normalize_address(word) for word in unfold(named[1], defects).split(",")]
        found = [RecipientReport((a,), Action.FAILED, _words_for(a, text)) for a in addresses[:_GROUPS_MAX] if "@" in a]
        return Report(tuple(found), original_id)
    return Report((), original_id, text)


def _words_for(address: str, text: str) -> str:
    """What the text says about an address that is known to have failed."""
    near = failures_in_text(Report((), None, text), [address])
    return near[0].detail if near else "5.0.0 The message could not be delivered."
