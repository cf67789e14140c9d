"""The one place that asks for the time, so that a test can set it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The current instant, always with UTC offset."""
    return datetime.now(UTC)
