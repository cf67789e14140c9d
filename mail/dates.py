"""Date-range filters of lists (contract README section 9). Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from common.errors import Invalid


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
    if not text:
        return None
    # A plus sign that was not percent-encoded arrives as a space.
    value = text.strip().replace(" ", "+") if text.count(" ") == 1 and "T" in text else text.strip()
    try:
        if len(value) == 10:
            day = date.fromisoformat(value)
            start = datetime.combine(day, time.min, tzinfo=tz)
            if not end_of_day:
                return start.astimezone(UTC)
            return datetime.combine(day + timedelta(days=1), time.min, tzinfo=tz).astimezone(UTC) - timedelta(
                microseconds=1
            )
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=tz)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("Use an ISO 8601 date or date-time.", loc=("query", field)) from None
