"""Identifiers."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from common.ids import new_id, parse_uuid, uuid7


def test_the_layout_of_rfc_9562() -> None:
    value = uuid7()

    assert value.version == 7
    assert value.variant == uuid.RFC_4122


def test_the_time_is_the_first_48_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = (time.time_ns() // 10**9 + 100 * 365 * 86400) * 10**9 + 123_456_789  # later than any other test
    monkeypatch.setattr("common.ids._last_ns", 0)
    monkeypatch.setattr("common.ids.time.time_ns", lambda: moment)

    value = uuid7()

    assert value.int >> 80 == moment // 10**6
    # 456789 ns of 1000000 ns, in 4096 steps.
    assert (value.int >> 64) & 0xFFF == (456_789 << 12) // 10**6


def test_strictly_increasing() -> None:
    values = [uuid7() for _ in range(20_000)]

    assert values == sorted(values)
    assert len(set(values)) == len(values)
    # The order shows in the text too, which is what an index of text compares.
    assert [str(value) for value in values] == sorted(str(value) for value in values)


def test_strictly_increasing_while_the_clock_stands_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10**18] * 5 + [10**18 - 10**12] * 5)
    monkeypatch.setattr("common.ids._last_ns", 0)
    monkeypatch.setattr("common.ids.time.time_ns", lambda: next(ticks))

    values = [uuid7() for _ in range(10)]

    assert values == sorted(set(values))


def test_strictly_increasing_across_threads() -> None:
    found: list[list[uuid.UUID]] = []

    def draw() -> None:
        found.append([uuid7() for _ in range(2_000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    everything = [value for values in found for value in values]
    assert len(set(everything)) == 8_000
    assert all(values == sorted(values) for values in found)


def test_text_ids_have_their_prefix_and_sort_by_time() -> None:
    first, second = new_id("org"), new_id("org")

    assert first.startswith("org_")
    assert len(first) == len("org_") + 32
    assert first < second


@pytest.mark.parametrize("text", ["", "alpha", "0192f0c1", "0192f0c1-0000-7000-8000-00000000000g", None, 7, "\x00"])
def test_what_is_no_uuid_is_none(text: str) -> None:
    assert parse_uuid(text) is None


def test_a_uuid_is_parsed() -> None:
    value = uuid7()

    assert parse_uuid(str(value)) == value
    assert parse_uuid(value.hex) == value
