"""The circuit breaker as a state machine: every state with every outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.circuit import FAILURES_TO_OPEN, OPEN_FOR, REPORT_EVERY, Circuit, after_attempt, report
from webhooks.enums import CircuitState

T = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CLOSED = Circuit()
FAILING = Circuit(failures=FAILURES_TO_OPEN - 1)
OPEN = Circuit(CircuitState.OPEN, FAILURES_TO_OPEN, 1, T - SECOND, T + 9 * SECOND)
GONE = Circuit(CircuitState.GONE, 0, 0, T - SECOND)


def _after(circuit: Circuit, status: int | None, started_at: datetime = T) -> Circuit:
    return after_attempt(circuit, status=status, started_at=started_at, ended_at=started_at + SECOND)


@pytest.mark.parametrize("status", [200, 204, 299, 301, 400, 401, 403, 404, 422])
@pytest.mark.parametrize("before", [CLOSED, FAILING, OPEN, GONE], ids=["closed", "failing", "open", "gone"])
def test_any_answer_of_a_working_receiver_closes_it(before: Circuit, status: int) -> None:
    assert _after(before, status) == CLOSED


@pytest.mark.parametrize("status", [None, 408, 429, 500, 503, 599])
def test_failures_in_a_row_open_it(status: int | None) -> None:
    assert _after(CLOSED, status) == Circuit(failures=1)
    assert _after(FAILING, status) == Circuit(
        CircuitState.OPEN, FAILURES_TO_OPEN, 1, T + SECOND, T + SECOND + OPEN_FOR[0]
    )


def test_a_failed_probe_opens_it_for_longer_up_to_a_limit() -> None:
    circuit = FAILING
    waits = []
    at = T
    for _ in range(7):
        circuit = _after(circuit, 500, at)
        assert circuit.retry_at is not None
        waits.append(circuit.retry_at - at - SECOND)
        at = circuit.retry_at
    assert waits == [*OPEN_FOR, OPEN_FOR[-1], OPEN_FOR[-1]]


def test_what_was_under_way_when_it_opened_does_not_open_it_again() -> None:
    late = _after(OPEN, 500, T - 2 * SECOND)

    assert late == replace(OPEN, failures=OPEN.failures + 1)


@pytest.mark.parametrize("before", [CLOSED, FAILING, OPEN], ids=["closed", "failing", "open"])
def test_410_means_gone_at_once(before: Circuit) -> None:
    after = _after(before, 410)

    assert (after.state, after.retry_at, after.opened_at) == (CircuitState.GONE, None, T + SECOND)


@pytest.mark.parametrize("status", [None, 410, 500])
def test_gone_stays_gone(status: int | None) -> None:
    assert _after(GONE, status) == GONE


def test_an_outage_is_reported_once_with_its_end() -> None:
    opened, told = report(OPEN, T)
    assert told is CircuitState.OPEN
    assert report(opened, T + SECOND) == (opened, None)

    closed, told = report(_after(opened, 200), T + 2 * SECOND)
    assert told is CircuitState.CLOSED
    assert report(closed, T + 3 * SECOND) == (closed, None)


def test_an_endpoint_that_comes_and_goes_is_reported_once_an_hour() -> None:
    opened, _ = report(OPEN, T)
    closed, _ = report(_after(opened, 200), T)
    again = replace(OPEN, reported_at=closed.reported_at)

    assert report(again, T + REPORT_EVERY - SECOND)[1] is None
    assert report(_after(again, 200), T + REPORT_EVERY - SECOND)[1] is None
    assert report(again, T + REPORT_EVERY)[1] is CircuitState.OPEN


def test_gone_is_reported_even_after_a_recent_report() -> None:
    assert report(replace(GONE, reported_at=T), T + SECOND)[1] is CircuitState.GONE


@given(st.lists(st.sampled_from([None, 200, 401, 410, 429, 500]), max_size=40))
def test_it_is_always_in_a_sane_state(statuses: list[int | None]) -> None:
    circuit = CLOSED
    at = T
    for status in statuses:
        circuit = _after(circuit, status, at)
        at += timedelta(minutes=10)
        assert (circuit.state is CircuitState.OPEN) == (circuit.retry_at is not None)
        assert (circuit.state is CircuitState.CLOSED) == (circuit.opened_at is None)
    if statuses and statuses[-1] in (200, 401):
        assert circuit == CLOSED
