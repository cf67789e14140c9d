"""Every outcome at every try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from webhooks.enums import DispatchState
from webhooks.retry import Decision, decide, is_success, parse_retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WAITS = {1: 10, 2: 60, 3: 300, 4: 1800, 5: 7200}


@pytest.mark.parametrize("tries", range(1, 8))
@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_ends_it(status: int, tries: int) -> None:
    assert decide(status=status, tries=tries, at=NOW) == Decision(DispatchState.SUCCEEDED)


@pytest.mark.parametrize("tries", range(1, 8))
@pytest.mark.parametrize("status", [None, 408, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_retried_on_the_schedule(status: int | None, tries: int) -> None:
    decision = decide(status=status, tries=tries, at=NOW)

    if tries in WAITS:
        assert decision == Decision(DispatchState.PENDING, NOW + timedelta(seconds=WAITS[tries]))
    else:
        assert decision == Decision(DispatchState.FAILED)


@pytest.mark.parametrize("tries", range(1, 8))
@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 422, 451])
def test_any_other_answer_is_final(status: int, tries: int) -> None:
    assert decide(status=status, tries=tries, at=NOW) == Decision(DispatchState.FAILED)


@pytest.mark.parametrize("tries", range(1, 6))
def test_chance_lengthens_a_wait_by_up_to_a_tenth(tries: int) -> None:
    at = decide(status=500, tries=tries, at=NOW, chance=0.5).at

    assert at == NOW + timedelta(seconds=WAITS[tries] * 1.05)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(seconds=5), timedelta(seconds=10)),
        (timedelta(seconds=90), timedelta(seconds=90)),
        (timedelta(days=7), timedelta(days=1)),
    ],
)
def test_retry_after_lengthens_but_never_shortens(asked: timedelta, waited: timedelta) -> None:
    assert decide(status=429, tries=1, at=NOW, retry_after=asked).at == NOW + waited


def test_retry_after_does_not_revive_a_final_answer() -> None:
    assert decide(status=410, tries=1, at=NOW, retry_after=timedelta(seconds=1)).state is DispatchState.FAILED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("0", timedelta(0)),
        (" 120 ", timedelta(seconds=120)),
        ("9" * 40, timedelta(days=1)),
        ("Sun, 01 Mar 2026 12:02:00 GMT", timedelta(seconds=120)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
    ],
)
def test_retry_after_values(text: str | None, expected: timedelta | None) -> None:
    assert parse_retry_after(text, NOW) == expected


@pytest.mark.parametrize(("status", "expected"), [(None, False), (199, False), (200, True), (299, True), (300, False)])
def test_success_is_2xx(status: int | None, expected: bool) -> None:
    assert is_success(status) is expected
