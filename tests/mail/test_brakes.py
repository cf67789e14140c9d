"""The rules of the brakes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.brakes import Budget, drained, exchanged, is_spent, received_count

HOUR = timedelta(hours=1)
TEN = Budget(10, HOUR)
LEVELS = st.floats(0, 1000, allow_nan=False)


@pytest.mark.parametrize(
    ("sent", "received", "spent"),
    [(0, 0, False), (1000, 0, False), (0, 1000, False), (1000, 4, False), (5, 5, True), (4, 5, False), (5, 1000, True)],
)
def test_only_what_goes_back_and_forth_counts(sent: int, received: int, spent: bool) -> None:
    assert is_spent(sent, received, TEN) is spent
    assert is_spent(received, sent, TEN) is spent


def test_no_budget_is_never_spent() -> None:
    assert is_spent(10**6, 10**6, Budget(0, HOUR)) is False
    assert drained(10**6, timedelta(), Budget(0, HOUR)) == 0


@pytest.mark.parametrize(
    ("level", "minutes", "left"),
    [(5, 0, 5), (5, 30, 2.5), (5, 60, 0), (5, 600, 0), (500, 0, 6), (500, 30, 3.5), (1, 6, 0.5)],
)
def test_a_bucket_empties_in_a_window_however_full_it_was(level: float, minutes: int, left: float) -> None:
    assert drained(level, timedelta(minutes=minutes), TEN) == pytest.approx(left)


@given(LEVELS, LEVELS, st.integers(1, 500))
def test_more_mail_never_frees_a_budget(sent: float, received: float, budget: int) -> None:
    limit = Budget(budget, HOUR)
    if is_spent(sent, received, limit):
        assert is_spent(sent + 1, received, limit)
        assert exchanged(sent, received) >= budget


@given(LEVELS, st.timedeltas(timedelta(hours=-2), timedelta(hours=5)), st.timedeltas(timedelta(0), HOUR))
def test_time_only_drains(level: float, elapsed: timedelta, more: timedelta) -> None:
    assert 0 <= drained(level, elapsed + more, TEN) <= drained(level, elapsed, TEN) <= 6


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 0),
        (b"Received: a\r\nReceived: b\r\nX: y\r\n\r\nReceived: body\r\n", 2),
        (b"X: y\r\nRECEIVED: a\r\n\tReceived: folded\r\n\r\n", 1),
        (b"Received: a", 1),
    ],
)
def test_hops_are_counted_in_the_header(raw: bytes, count: int) -> None:
    assert received_count(raw) == count
