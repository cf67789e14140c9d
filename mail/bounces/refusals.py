"""What a server's refusal says about the address, as opposed to the message, the sender or the moment. Pure.

Source: RFC 3463 and the IANA registry of enhanced status codes.
"""

from __future__ import annotations

import re

from mail.enums import SuppressionReason

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"\s*([45])\d\d\b")
# 5.1.x: no such mailbox or system, null MX; 5.2.1: the mailbox is disabled. Everything else (policy, content, size,
# routing) may be different for the next message.
_GONE = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
_FULL = frozenset({"2.2"})
_GONE_WORDS = re.compile(
    r"(?i)\b(?:user|recipient|mailbox|account|address|alias)(?: \S{1,320})?"
    r" (?:is |was )?(?:unknown|not found|does not exist|doesn't exist|disabled|invalid|no longer)"
    r"|\b(?:no such|unknown|invalid|nonexistent) (?:local )?(?:user|recipient|mailbox|account|address|person)\b"
)
_FULL_WORDS = re.compile(r"(?i)\b(?:over ?quota|quota exceeded|(?:mailbox|inbox) (?:is )?full)\b")
_READ_CHARS = 2000


def enhanced_status(text: str) -> str | None:
    """The first enhanced status code (RFC 3463) in a server's words, such as `5.1.1`."""
    found = _STATUS.search(text[:_READ_CHARS])
    return ".".join(found.groups()) if found else None


def is_temporary(text: str) -> bool:
    """Whether the words begin with a code of the 4xx family, or carry a status of class 4."""
    status = enhanced_status(text)
    if status is not None:
        return status.startswith("4")
    code = _CODE.match(text)
    return code is not None and code[1] == "4"


def suppression_reason(text: str) -> SuppressionReason | None:
    """Why the address should not be written to again, read from a permanent refusal; None when it says nothing of it.

    An enhanced status decides alone; a server without one is judged by its words.
    """
    text = text[:_READ_CHARS]
    if is_temporary(text):
        return None
    status = enhanced_status(text)
    if status is not None:
        subject = status.partition(".")[2]
        if subject in _GONE:
            return SuppressionReason.HARD_BOUNCE
        return SuppressionReason.MAILBOX_FULL if subject in _FULL else None
    if _FULL_WORDS.search(text):
        return SuppressionReason.MAILBOX_FULL
    return SuppressionReason.HARD_BOUNCE if _GONE_WORDS.search(text) else None
