"""Numbers of index entries: later messages have higher ones, so the index read backwards is newest first. Pure."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

_TIE_BITS = 21
# A signed 64-bit number has room for the years 1830 to 2109; what claims to be older or newer is filed at that end.
_LIMIT_MS = 1 << (62 - _TIE_BITS + 1)


def entry_number(created_at: datetime, message_id: UUID) -> int:
    """Milliseconds of the message's date, then 21 bits of the time in its id (RFC 9562 version 7).

    Those tell apart what this process stored within half a second; others may, very rarely, get the same number.
    """
    fraction = message_id.int >> 64 & 0xFFF
    milliseconds = message_id.int >> 80 & 0x1FF
    return first_number(created_at) | milliseconds << 12 | fraction


def first_number(moment: datetime) -> int:
    """The lowest number that a message of this moment can have."""
    milliseconds = int(moment.timestamp() * 1000)
    return max(-_LIMIT_MS, min(_LIMIT_MS - 1, milliseconds)) << _TIE_BITS
