"""The state machine of sending domains: every state with every event (contract mail.md section 3)."""

from __future__ import annotations

import pytest

from mail.domain_states import (
    CHECKED,
    RECEIVING,
    SENDING,
    UNVERIFIED,
    DomainEvent,
    DomainStatus,
    next_status,
    restored_status,
)

EVENTS = (
    "check_started",
    "ownership_proven",
    "ownership_missing",
    "ownership_lost",
    "records_correct",
    "records_wrong",
    "records_missing",
    "check_inconclusive",
    "window_elapsed",
    "rotation_started",
    "rotation_ended",
    "deletion_requested",
)
# One line a state, one column an event in the order of EVENTS; a dot means that nothing changes.
TABLE = """
not_started            . pending awaiting_ownership . . . . . failed . . pending_deletion
awaiting_ownership     . pending . . . . . . failed . . pending_deletion
pending                verifying . awaiting_ownership failed . . . . failed . . pending_deletion
dns_invalid            verifying . awaiting_ownership failed . . . . failed . . pending_deletion
verifying              . . awaiting_ownership failed verified dns_invalid pending pending failed . . pending_deletion
verified               . . degraded failed . degraded degraded . . pending_dkim_rotation . pending_deletion
pending_dkim_rotation  . . degraded failed . degraded degraded . . . verified pending_deletion
degraded               . . . failed verified . . . . . . pending_deletion
pending_deletion       . . . failed . . . . . . . .
failed                 . . . . . . . . . . . .
"""
CELLS = [
    (cells[0], event, cells[0] if after == "." else after)
    for cells in (line.split() for line in TABLE.strip().splitlines())
    for event, after in zip(EVENTS, cells[1:], strict=True)
]


def test_the_table_covers_every_state_and_event() -> None:
    assert {(state, event) for state, event, _ in CELLS} == {
        (state.value, event.value) for state in DomainStatus for event in DomainEvent
    }
    assert len(CELLS) == len(DomainStatus) * len(DomainEvent) == 120


@pytest.mark.parametrize(("state", "event", "after"), CELLS)
def test_every_state_with_every_event(state: str, event: str, after: str) -> None:
    assert next_status(DomainStatus(state), DomainEvent(event)).value == after


def test_wire_values_never_grow() -> None:
    assert sorted(status.value for status in DomainStatus) == [
        "awaiting_ownership",
        "degraded",
        "dns_invalid",
        "failed",
        "not_started",
        "pending",
        "pending_deletion",
        "pending_dkim_rotation",
        "verified",
        "verifying",
    ]


def test_what_the_states_allow() -> None:
    assert {status.value for status in SENDING} == {"verified", "pending_dkim_rotation"}
    assert {status.value for status in RECEIVING} == {
        "verified",
        "pending_dkim_rotation",
        "degraded",
        "pending_deletion",
    }
    assert {status.value for status in set(DomainStatus) - CHECKED} == {"pending_deletion", "failed"}
    assert not UNVERIFIED & RECEIVING


@pytest.mark.parametrize("before", list(DomainStatus))
def test_an_undone_deletion_restores_what_was(before: DomainStatus) -> None:
    expected = DomainStatus.PENDING if before is DomainStatus.VERIFYING else before

    assert restored_status(before) is expected
