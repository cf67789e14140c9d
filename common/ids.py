"""Identifiers. Row ids are UUIDv7 (RFC 9562 section 5.7), so that new rows land at the end of every index."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_lock = threading.Lock()
_last_ns = 0


def uuid7() -> uuid.UUID:
    """A time-ordered UUID, strictly increasing inside one process.

    48 bits of milliseconds, 12 bits of sub-millisecond fraction (RFC 9562 section 6.2, method 3), 62 random bits.
    """
    global _last_ns  # noqa: PLW0603  (guarded by the lock)
    with _lock:
        tick = time.time_ns()
        # One step of the 12-bit fraction is about 244 ns: never hand out the same step twice.
        _last_ns = max(_last_ns + 245, tick)
        tick = _last_ns
    millis, rest = divmod(tick, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    value = (millis & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value)


def new_id(prefix: str) -> str:
    """An opaque text id such as `org_0192f0c1...`, sorted by time of creation."""
    return f"{prefix}_{uuid7().hex}"


def parse_uuid(text: str) -> uuid.UUID | None:
    """The UUID in `text`, or None when it is no UUID (an unknown row, never an error of its own)."""
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
