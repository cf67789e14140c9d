"""Date-range filters (contract README section 9)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from mail.dates import range_end, range_start, zone

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "tz", "start", "end"),
    [
        ("2026-05-04", None, "2026-05-04T00:00:00Z", "2026-05-04T23:59:59.999999Z"),
        ("20260504", None, "2026-05-04T00:00:00Z", "2026-05-04T23:59:59.999999Z"),
        ("2026-W19-1", None, "2026-05-04T00:00:00Z", "2026-05-04T23:59:59.999999Z"),
        (" 2026-05-04 ", "UTC", "2026-05-04T00:00:00Z", "2026-05-04T23:59:59.999999Z"),
        ("2026-05-04", BERLIN, "2026-05-03T22:00:00Z", "2026-05-04T21:59:59.999999Z"),
        ("2026-05-04", "Pacific/Kiritimati", "2026-05-03T10:00:00Z", "2026-05-04T09:59:59.999999Z"),
        # The days on which clocks change have 23 and 25 hours.
        ("2026-03-29", BERLIN, "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z"),
        ("2026-10-25", BERLIN, "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z"),
        # In Santiago midnight itself is skipped.
        ("2026-09-06", "America/Santiago", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59.999999Z"),
        ("2024-02-29", None, "2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999999Z"),
    ],
)
def test_a_bare_date_is_a_whole_day(text: str, tz: str | None, start: str, end: str) -> None:
    assert range_start(text, zone(tz)) == at(start)
    assert range_end(text, zone(tz)) == at(end)


@pytest.mark.parametrize(
    ("text", "tz", "instant"),
    [
        ("2026-05-04T10:00:00Z", None, "2026-05-04T10:00:00Z"),
        ("2026-05-04T10:00:00Z", BERLIN, "2026-05-04T10:00:00Z"),
        ("2026-05-04t10:00:00z", None, "2026-05-04T10:00:00Z"),
        ("2026-05-04T10:00:00+02:00", "Asia/Tokyo", "2026-05-04T08:00:00Z"),
        ("2026-05-04T10:00:00 02:00", None, "2026-05-04T08:00:00Z"),
        ("2026-05-04 10:00:00 02:00", None, "2026-05-04T08:00:00Z"),
        ("2026-05-04T10:00:00-05:30", None, "2026-05-04T15:30:00Z"),
        ("2026-05-04T10:00:00", None, "2026-05-04T10:00:00Z"),
        ("2026-05-04T10:00:00", BERLIN, "2026-05-04T08:00:00Z"),
        ("2026-05-04 10:00:00", BERLIN, "2026-05-04T08:00:00Z"),
        ("2026-05-04T10:00", None, "2026-05-04T10:00:00Z"),
        ("20260504T100000Z", None, "2026-05-04T10:00:00Z"),
        ("2026-05-04T10:00:00.123456Z", None, "2026-05-04T10:00:00.123456Z"),
        # Skipped by the clock change: read with the offset of before. Twice on the clock: the first.
        ("2026-03-29T02:30:00", BERLIN, "2026-03-29T01:30:00Z"),
        ("2026-10-25T02:30:00", BERLIN, "2026-10-25T00:30:00Z"),
    ],
)
def test_a_time_is_an_instant_at_either_end(text: str, tz: str | None, instant: str) -> None:
    found = range_start(text, zone(tz))

    assert found == range_end(text, zone(tz)) == at(instant)
    assert found is not None
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_nothing_is_no_limit(text: str | None) -> None:
    assert range_start(text, zone(None)) is None
    assert range_end(text, zone(None)) is None


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026",
        "2026-05",
        "2026-13-01",
        "2026-02-30",
        "2026-05-04T25:00",
        "2026-05-04T",
        "2026-05-04x10:00",
        "2026-05-04+02:00",
        "04.05.2026",
        "1714816872",
        "2026-05-04T10:00:00 Europe/Berlin",
        "2026-05-04T10:00:00+99:00",
        "\u0662\u0660\u0662\u0666-\u0660\u0665-\u0660\u0664",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid) as start:
        range_start(text, zone(None))
    with pytest.raises(Invalid) as end:
        range_end(text, zone(None))

    assert (start.value.loc, end.value.loc) == (("query", "start_datetime"), ("query", "end_datetime"))


def test_the_last_day_of_all_has_no_end() -> None:
    assert range_start("9999-12-31", zone(None)) == datetime(9999, 12, 31, tzinfo=UTC)
    with pytest.raises(Invalid):
        range_end("9999-12-31", zone(None))


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "europe/berlin", "../UTC", "/etc/localtime", "+02:00", "\x00", "UTC\n"]
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        zone(name)

    assert caught.value.loc == ("query", "tz")


@pytest.mark.parametrize(("name", "key"), [(None, "UTC"), ("", "UTC"), ("UTC", "UTC"), (BERLIN, BERLIN)])
def test_zones_by_name(name: str | None, key: str) -> None:
    assert zone(name).key == key


@given(
    day=st.dates(min_value=date(1, 1, 3), max_value=date(9999, 12, 29)),
    name=st.sampled_from(["UTC", BERLIN, "Asia/Kathmandu", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo"]),
)
def test_days_follow_each_other_without_gap_or_overlap(day: date, name: str) -> None:
    tz = zone(name)

    end, next_start = range_end(day.isoformat(), tz), range_start((day + timedelta(days=1)).isoformat(), tz)

    assert end is not None
    assert next_start == end + timedelta(microseconds=1)


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    for read in (range_start, range_end):
        try:
            found = read(text, zone(None))
        except Invalid:
            continue
        assert found is None or found.tzinfo is UTC
