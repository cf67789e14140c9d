"""The rows behind the circuit breaker: what attempts do to them, and how their owner hears of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from common.clock import now
from common.nudge import nudge
from webhooks.catalog import CIRCUIT_CLOSED, CIRCUIT_OPENED
from webhooks.circuit import GONE_STATUS, Circuit, after_attempt, is_failure, report
from webhooks.enums import CircuitState
from webhooks.models import EndpointHealth, Subscription
from webhooks.outbox import DELIVER_TASK, NewEvent, record_many
from webhooks.services.jobs import Outcome

_FIELDS = ("failures", "opens", "opened_at", "retry_at", "is_reported", "reported_at")


def note_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Move the circuits of these attempts' endpoints on. Inside the caller's transaction, one query while all is well.

    Events that report a circuit are recorded here, in the transaction that opens or closes it.
    """
    by_endpoint: defaultdict[UUID, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_endpoint[outcome.job.subscription_id].append(outcome)
    failing = [pk for pk, rows in by_endpoint.items() if any(_counts(outcome) for outcome in rows)]
    if failing:
        missing = set(failing) - set(EndpointHealth.objects.filter(pk__in=failing).values_list("pk", flat=True))
        EndpointHealth.objects.bulk_create([EndpointHealth(pk=pk) for pk in sorted(missing)], ignore_conflicts=True)
    rows = EndpointHealth.objects.select_for_update(of=("self",)).filter(pk__in=by_endpoint).order_by("pk")
    reports = []
    for row in rows.select_related("subscription"):
        told = _move_on(row, by_endpoint[row.pk])
        if told is not None:
            reports.append(_report(row, told))
    record_many(reports)


def _counts(outcome: Outcome) -> bool:
    return is_failure(outcome.status) or outcome.status == GONE_STATUS


def _move_on(row: EndpointHealth, outcomes: Iterable[Outcome]) -> CircuitState | None:
    """Change and save the row when there is a reason to; the state that the owner is told about, if any."""
    before = Circuit(CircuitState(row.state), *(getattr(row, name) for name in _FIELDS))
    circuit = before
    for outcome in sorted(outcomes, key=lambda each: each.started_at):
        ended_at = outcome.started_at + timedelta(milliseconds=outcome.duration_ms)
        circuit = after_attempt(circuit, status=outcome.status, started_at=outcome.started_at, ended_at=ended_at)
        if _counts(outcome):
            row.last_failure_at, row.last_status, row.last_error = ended_at, outcome.status, outcome.error
    circuit, told = report(circuit, now())
    if circuit == before:
        return None
    row.state = circuit.state.value
    for name in _FIELDS:
        setattr(row, name, getattr(circuit, name))
    row.save()
    if circuit.state is CircuitState.CLOSED and before.state is not CircuitState.CLOSED:
        nudge(DELIVER_TASK)  # what was held
    return told


def _report(row: EndpointHealth, state: CircuitState) -> NewEvent:
    subscription = row.subscription
    return NewEvent(
        organization_id=subscription.organization_id,
        identity_id=subscription.identity_id,
        event_type=CIRCUIT_CLOSED if state is CircuitState.CLOSED else CIRCUIT_OPENED,
        data={
            "subscription": {"id": subscription.pk, "url": subscription.url, "event_types": subscription.event_types},
            "circuit": {**circuit_body(row), "state": state.value},
        },
        mailbox_id=subscription.mailbox_id,
        phone_number_id=subscription.phone_number_id,
    )


def circuit_body(row: EndpointHealth) -> dict[str, Any]:
    """The state of an endpoint as its owner sees it."""
    return {
        "state": row.state,
        "consecutive_failures": row.failures,
        "opened_at": row.opened_at,
        "next_attempt_at": row.retry_at,
        "last_failure_at": row.last_failure_at,
        "last_status": row.last_status,
        "last_error": row.last_error,
    }


def describe_impairment(row: EndpointHealth) -> str:
    """One sentence for the owner of an endpoint that is not being sent to."""
    if row.state == CircuitState.GONE:
        return (
            f"The endpoint of webhook subscription {row.subscription_id} answered 410, so nothing is sent to it. "
            "Update its url, or test it when it is back."
        )
    why = row.last_error or f"It answered {row.last_status}."
    return (
        f"The endpoint of webhook subscription {row.subscription_id} failed {row.failures} times in a row. {why} "
        "Its deliveries are held and sent when it answers again."
    )


def reset_circuit(subscription: Subscription) -> None:
    """The owner changed the endpoint: what is known of the old one does not count, and what was held goes out."""
    if EndpointHealth.objects.filter(pk=subscription.pk).delete()[0]:
        nudge(DELIVER_TASK)
