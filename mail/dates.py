"""Date-range filters of lists (contract README section 9). Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from common.errors import Invalid

# Python would take any character between date and time, and so read an offset of a date as its time.
_DATE_AND_TIME = re.compile(r"([0-9W-]+)[T ](.+)")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(name: str | None) -> ZoneInfo:
    """The IANA zone, UTC by default. Raises Invalid for an unknown name."""
    if not name:
        return ZoneInfo("UTC")
    if name not in _zones():
        raise Invalid("Unknown time zone. Use an IANA name such as Europe/Berlin.", loc=("query", "tz"))
    return ZoneInfo(name)


def range_start(text: str | None, tz: ZoneInfo) -> datetime | None:
    """First instant of the range: a bare date starts at midnight in `tz`, a naive time is read in `tz`."""
    return _instant(text, tz, "start_datetime", end_of_day=False)


def range_end(text: str | None, tz: ZoneInfo) -> datetime | None:
    """Last instant of the range, inclusive: a bare date covers its whole day in `tz`."""
    return _instant(text, tz, "end_datetime", end_of_day=True)


def _instant(text: str | None, tz: ZoneInfo, field: str, *, end_of_day: bool) -> datetime | None:
    if not text or not text.strip():
        return None
    try:
        return parse_instant(text, tz, end_of_day=end_of_day)
    except ValueError:
        raise Invalid("Use an ISO 8601 date or date-time.", loc=("query", field)) from None


def parse_instant(text: str, tz: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    """An ISO 8601 date or date-time as an instant; a bare date is its start, or its end. Raises ValueError."""
    value = text.strip().upper()
    try:
        found = _DATE_AND_TIME.fullmatch(value)
        if found is None:
            return _edge_of_day(date.fromisoformat(value), tz, end_of_day=end_of_day)
        # A plus sign that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(f"{found[1]}T{found[2].replace(' ', '+')}")
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=tz)).astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


def _edge_of_day(day: date, tz: ZoneInfo, *, end_of_day: bool) -> datetime:
    """Midnight of the day in `tz`, or the last microsecond before the next one; days with a clock change included."""
    if not end_of_day:
        return datetime.combine(day, time.min, tzinfo=tz).astimezone(UTC)
    next_day = datetime.combine(day + timedelta(days=1), time.min, tzinfo=tz).astimezone(UTC)
    return next_day - timedelta(microseconds=1)
