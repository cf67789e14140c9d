"""Which message a message answers, and what an answer says about it (RFC 5322 section 3.6.4).

Pure rules over Message-IDs and subjects; looking the identifiers up in a
mailbox is done elsewhere (contract/mail.md, Thread linking).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mail.mime.message_ids import MAX_REFERENCES, limit_references

MAX_CANDIDATE_PARENTS = 50
MAX_SUBJECT_CHARS = 998

_REPLY_PREFIX = re.compile(r"re(?:\[\d{1,4}\])?\s{0,4}:", re.IGNORECASE)
_FORWARD_PREFIX = re.compile(r"fwd?(?:\[\d{1,4}\])?\s{0,4}:", re.IGNORECASE)


def candidate_parents(in_reply_to: str | None, references: Sequence[str]) -> tuple[str, ...]:
    """Return the Message-IDs that may name the thread, the likeliest first.

    In-Reply-To, then References from last to first, without duplicates, at most
    MAX_CANDIDATE_PARENTS: the first one found in the mailbox decides.
    """
    candidates: dict[str, None] = {}
    if in_reply_to:
        candidates[in_reply_to] = None
    for reference in reversed(references):
        if len(candidates) >= MAX_CANDIDATE_PARENTS:
            break
        if reference:
            candidates[reference] = None
    return tuple(candidates)


def reply_references(parent_references: Sequence[str], parent_message_id: str | None) -> tuple[str, ...]:
    """Return the References of a reply: the parent's, then the parent itself as the last.

    Without duplicates; past MAX_REFERENCES the first one and the newest stay.
    """
    known = dict.fromkeys(parent_references)
    known.pop(parent_message_id or "", None)
    chain = [reference for reference in known if reference]
    if parent_message_id:
        chain.append(parent_message_id)
    return limit_references(chain, MAX_REFERENCES - 1)


def _prefix(prefix: str, subject: str | None, present: re.Pattern[str]) -> str:
    text = (subject or "").strip()
    if present.match(text):
        return text[:MAX_SUBJECT_CHARS]
    return f"{prefix}: {text}"[:MAX_SUBJECT_CHARS].rstrip()


def reply_subject(subject: str | None) -> str:
    """Return the subject with one ``Re:`` before it; one that is there stays as written."""
    return _prefix("Re", subject, _REPLY_PREFIX)


def forward_subject(subject: str | None) -> str:
    """Return the subject with ``Fwd:`` before it, unless it has ``Fwd:`` or ``Fw:``."""
    return _prefix("Fwd", subject, _FORWARD_PREFIX)
