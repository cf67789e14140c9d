"""What Gmail says about a message in its exports: the header X-Gmail-Labels. Pure.

Gmail writes the labels in the language of the account; the English ones are understood. A message without the header,
or with labels of the user only, is an ordinary one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mail.mime.defects import Defects
from mail.mime.headers import decode_value

_HEADER_BYTES = 64 * 1024
_LABELS = re.compile(rb"^X-Gmail-Labels:([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE | re.IGNORECASE)
_HEADER_END = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Labels:
    """Of several places the more important one counts: spam, then inbox, then trash and archive."""

    is_read: bool = False
    is_starred: bool = False
    is_spam: bool = False
    # Trash counts as put away: there is no such folder, and nothing that was exported is left out.
    is_archived: bool = False
    is_inbox: bool = False


_NONE = Labels()


def gmail_labels(raw: bytes) -> Labels:
    """The labels of a message; all false without the header."""
    window = raw[:_HEADER_BYTES]
    if b"-gmail-labels:" not in window.lower():
        return _NONE
    end = _HEADER_END.search(window)
    found = _LABELS.search(window, 0, end.start() + 1 if end else len(window))
    if found is None:
        return _NONE
    text = decode_value(found[1], Defects())
    names = {name.strip().strip('"').lower() for name in text.split(",")}
    is_inbox = "inbox" in names
    return Labels(
        is_read="opened" in names and "unread" not in names,
        is_starred="starred" in names,
        is_spam="spam" in names,
        is_archived=not is_inbox and not names.isdisjoint({"archived", "trash"}),
        is_inbox=is_inbox,
    )
