"""When an endpoint that does not work is left alone for a while. Pure: state, outcome and time in, state out.

Deliveries of an open circuit are held, not failed: they use up no tries, and go out in order once a probe succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from webhooks.enums import CircuitState
from webhooks.retry import is_retried

FAILURES_TO_OPEN = 5
# How long it stays open before one delivery is tried: after the first opening, the second in a row, and so on.
OPEN_FOR = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
)
# An endpoint that comes and goes is reported once in this time.
REPORT_EVERY = timedelta(hours=1)
GONE_STATUS = 410


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of one endpoint. `failures` in a row, `opens` in a row; `retry_at` is when a probe may go out."""

    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    opens: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    # Whether the owner was told of this outage, and when of any last.
    is_reported: bool = False
    reported_at: datetime | None = None


def is_failure(status: int | None) -> bool:
    """No answer, an overloaded or a broken receiver. A refusal of one request says nothing about the next."""
    return is_retried(status)


def after_attempt(circuit: Circuit, *, status: int | None, started_at: datetime, ended_at: datetime) -> Circuit:
    """The circuit after one attempt."""
    if status == GONE_STATUS:
        opened_at = circuit.opened_at if circuit.state is CircuitState.GONE else ended_at
        return replace(circuit, state=CircuitState.GONE, opened_at=opened_at, retry_at=None)
    if not is_failure(status):
        return replace(Circuit(), is_reported=circuit.is_reported, reported_at=circuit.reported_at)
    failed = replace(circuit, failures=circuit.failures + 1)
    if circuit.state is CircuitState.GONE:
        return circuit
    if circuit.state is CircuitState.OPEN and circuit.opened_at is not None and started_at < circuit.opened_at:
        return failed  # was under way when the circuit opened: no probe, nothing new
    if circuit.state is CircuitState.OPEN or failed.failures >= FAILURES_TO_OPEN:
        wait = OPEN_FOR[min(circuit.opens, len(OPEN_FOR) - 1)]
        return replace(
            failed, state=CircuitState.OPEN, opens=circuit.opens + 1, opened_at=ended_at, retry_at=ended_at + wait
        )
    return failed


def report(circuit: Circuit, at: datetime) -> tuple[Circuit, CircuitState | None]:
    """The circuit with its report noted, and the state that the owner is told about now, if any."""
    if circuit.state is CircuitState.CLOSED:
        if not circuit.is_reported:
            return circuit, None
        return replace(circuit, is_reported=False), CircuitState.CLOSED
    is_recent = circuit.reported_at is not None and at - circuit.reported_at < REPORT_EVERY
    if circuit.is_reported or (is_recent and circuit.state is CircuitState.OPEN):
        return circuit, None
    return replace(circuit, is_reported=True, reported_at=at), circuit.state
