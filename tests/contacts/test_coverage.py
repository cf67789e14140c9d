"""How rules for one target share its sides: every state with every request (contract mail.md sections 8.3, 8.4)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.coverage import Plan, Row, Taken, plan_change, plan_create, plan_side_change, sides_of

A, B = UUID(int=1), UUID(int=2)
SIDES = ("inbound", "outbound")
ACTIONS = ("allow", "block")
STATUSES = ("active", "paused")


def _taken(rule_id: UUID, *, contradiction: bool = False, paused: bool = False) -> Taken:
    return Taken(rule_id, is_contradiction=contradiction, is_paused=paused)


IN_ALLOW, OUT_ALLOW = Row(A, "allow", "inbound"), Row(B, "allow", "outbound")
IN_BLOCK, OUT_BLOCK = Row(A, "block", "inbound"), Row(B, "block", "outbound")
BOTH_ALLOW = Row(A, "allow", "both")
IN_PAUSED, BOTH_PAUSED = Row(A, "allow", "inbound", "paused"), Row(A, "allow", "both", "paused")
CONTRADICTED, PAUSED = _taken(A, contradiction=True), _taken(A, paused=True)
NEW_BOTH, NEW_IN, NEW_OUT = (Row(None, "allow", direction) for direction in ("both", "inbound", "outbound"))

# What is stored, and what comes of allowing both sides, the inbound side, the outbound side.
CREATE: dict[str, tuple[list[Row], Plan | Taken, Plan | Taken, Plan | Taken]] = {
    "nothing": ([], Plan(NEW_BOTH), Plan(NEW_IN), Plan(NEW_OUT)),
    "both allow": ([BOTH_ALLOW], _taken(A), _taken(A), _taken(A)),
    "inbound allow": ([IN_ALLOW], Plan(BOTH_ALLOW), _taken(A), Plan(BOTH_ALLOW)),
    "outbound allow": ([OUT_ALLOW], Plan(Row(B, "allow", "both")), Plan(Row(B, "allow", "both")), _taken(B)),
    "both block": ([Row(A, "block", "both")], CONTRADICTED, CONTRADICTED, CONTRADICTED),
    "inbound block": (
        [IN_BLOCK],
        _taken(A, contradiction=True),
        _taken(A, contradiction=True),
        Plan(NEW_OUT, IN_BLOCK),
    ),
    "outbound block": (
        [OUT_BLOCK],
        _taken(B, contradiction=True),
        Plan(NEW_IN, OUT_BLOCK),
        _taken(B, contradiction=True),
    ),
    "inbound allow, outbound block": (
        [IN_ALLOW, OUT_BLOCK],
        _taken(B, contradiction=True),
        _taken(A),
        _taken(B, contradiction=True),
    ),
    "both paused": ([BOTH_PAUSED], PAUSED, PAUSED, PAUSED),
    "inbound paused": ([IN_PAUSED], _taken(A, paused=True), _taken(A, paused=True), Plan(NEW_OUT, IN_PAUSED)),
    "inbound paused, outbound allow": (
        [IN_PAUSED, OUT_ALLOW],
        _taken(A, paused=True),
        _taken(A, paused=True),
        _taken(B),
    ),
}


@pytest.mark.parametrize("state", CREATE)
def test_creating_an_allow_rule(state: str) -> None:
    stored, both, inbound, outbound = CREATE[state]

    for order in (stored, stored[::-1]):
        assert plan_create(order, "allow", "both") == both
        assert plan_create(order, "allow", "inbound") == inbound
        assert plan_create(order, "allow", "outbound") == outbound


# What is stored, the change of rule A, and what comes of it.
CHANGE: dict[str, tuple[list[Row], dict[str, str], Plan]] = {
    "another action": ([BOTH_ALLOW], {"action": "block"}, Plan(Row(A, "block", "both"))),
    "the same action": ([BOTH_ALLOW], {"action": "allow"}, Plan(BOTH_ALLOW)),
    "pause": ([BOTH_ALLOW], {"status": "paused"}, Plan(BOTH_PAUSED)),
    "resume": ([BOTH_PAUSED], {"status": "active"}, Plan(BOTH_ALLOW)),
    "pause and turn": ([BOTH_ALLOW], {"status": "paused", "action": "block"}, Plan(Row(A, "block", "both", "paused"))),
    "give up a side": ([BOTH_ALLOW], {"direction": "inbound"}, Plan(IN_ALLOW)),
    "take the free side": ([IN_ALLOW], {"direction": "both"}, Plan(BOTH_ALLOW)),
    "move to the free side": ([IN_ALLOW], {"direction": "outbound"}, Plan(Row(A, "allow", "outbound"))),
    "take the side of another rule": ([IN_ALLOW, OUT_BLOCK], {"direction": "both"}, Plan(BOTH_ALLOW)),
    "move onto another rule": ([IN_ALLOW, OUT_BLOCK], {"direction": "outbound"}, Plan(Row(A, "allow", "outbound"))),
    "agree with the other side": ([IN_BLOCK, OUT_ALLOW], {"action": "allow"}, Plan(BOTH_ALLOW)),
    "agree but stay paused": (
        [IN_PAUSED, OUT_BLOCK],
        {"action": "block"},
        Plan(Row(A, "block", "inbound", "paused"), OUT_BLOCK),
    ),
    "resume beside its equal": ([IN_PAUSED, OUT_ALLOW], {"status": "active"}, Plan(BOTH_ALLOW)),
    "pause beside another": ([IN_ALLOW, OUT_BLOCK], {"status": "paused"}, Plan(IN_PAUSED, OUT_BLOCK)),
}


@pytest.mark.parametrize("name", CHANGE)
def test_changing_a_rule(name: str) -> None:
    stored, changes, plan = CHANGE[name]

    for order in (stored, stored[::-1]):
        values = {"action": None, "status": None, "direction": None, **changes}
        assert plan_change(order, A, **values) == plan


SIDE_CHANGE: dict[str, tuple[list[Row], UUID, str, str, Plan | None]] = {
    "split": ([BOTH_ALLOW], A, "outbound", "block", Plan(Row(A, "block", "outbound"), Row(None, "allow", "inbound"))),
    "split the other way": (
        [BOTH_ALLOW],
        A,
        "inbound",
        "block",
        Plan(Row(A, "block", "inbound"), Row(None, "allow", "outbound")),
    ),
    "split a paused rule": (
        [BOTH_PAUSED],
        A,
        "inbound",
        "block",
        Plan(Row(A, "block", "inbound", "paused"), Row(None, "allow", "outbound", "paused")),
    ),
    "nothing to split": ([BOTH_ALLOW], A, "inbound", "allow", Plan(BOTH_ALLOW)),
    "a rule of one side": ([IN_ALLOW], A, "inbound", "block", Plan(IN_BLOCK)),
    "becoming equal": ([IN_ALLOW, OUT_BLOCK], A, "inbound", "block", Plan(Row(A, "block", "both"))),
    "not covered": ([IN_ALLOW], A, "outbound", "block", None),
    "covered by another": ([IN_ALLOW, OUT_BLOCK], A, "outbound", "allow", None),
}


@pytest.mark.parametrize("name", SIDE_CHANGE)
def test_changing_one_side(name: str) -> None:
    stored, rule_id, side, action, plan = SIDE_CHANGE[name]

    assert plan_side_change(stored, rule_id, side, action) == plan


# --- For any state and any sequence of requests -------------------------------------------------------------------

creates = st.tuples(st.just("create"), st.sampled_from(ACTIONS), st.sampled_from(["inbound", "outbound", "both"]))
changes = st.tuples(
    st.just("change"),
    st.integers(0, 1),
    st.sampled_from([None, *ACTIONS]),
    st.sampled_from([None, *STATUSES]),
    st.sampled_from([None, "inbound", "outbound", "both"]),
)
side_changes = st.tuples(st.just("side"), st.integers(0, 1), st.sampled_from(ACTIONS), st.sampled_from(SIDES))


def _meaning(rows: list[Row]) -> dict[str, tuple[str, str]]:
    """Action and status of each covered side; fails when a side is covered twice."""
    covered = [(side, row) for row in rows for side in sides_of(row.direction)]
    assert len({side for side, _ in covered}) == len(covered)
    return {side: (row.action, row.status) for side, row in covered}


@given(st.lists(st.one_of(creates, changes, side_changes), max_size=12))
def test_the_rules_of_a_target_always_mean_what_was_asked_for(events: list[tuple[object, ...]]) -> None:
    rows: list[Row] = []
    numbers = iter(range(1, 1000))
    for event in events:
        before = _meaning(rows)
        expected = dict(before)
        plan: Plan | Taken | None
        if event[0] == "create":
            _, action, direction = event
            plan = plan_create(rows, str(action), str(direction))
            expected |= {side: (str(action), "active") for side in sides_of(str(direction))}
            if isinstance(plan, Taken):
                assert plan.rule_id in {row.rule_id for row in rows}
                assert expected == before or any(
                    before.get(side, expected[side]) != expected[side] for side in sides_of(str(direction))
                )
                continue
        elif not rows:
            continue
        elif event[0] == "change":
            _, number, action, status, direction = event
            row = rows[int(str(number)) % len(rows)]
            assert row.rule_id is not None
            plan = plan_change(
                rows,
                row.rule_id,
                action=None if action is None else str(action),
                status=None if status is None else str(status),
                direction=None if direction is None else str(direction),
            )
            for side in sides_of(row.direction):
                del expected[side]
            value = (str(action or row.action), str(status or row.status))
            expected |= dict.fromkeys(sides_of(str(direction or row.direction)), value)
            assert plan.main.rule_id == row.rule_id
        else:
            _, number, action, one_side = event
            row = rows[int(str(number)) % len(rows)]
            assert row.rule_id is not None
            plan = plan_side_change(rows, row.rule_id, str(one_side), str(action))
            assert (plan is None) == (one_side not in sides_of(row.direction))
            if plan is None:
                continue
            assert plan.main.rule_id == row.rule_id
            expected[str(one_side)] = (str(action), row.status)
        found = [row for row in (plan.main, plan.other) if row is not None]
        rows = [
            row if row.rule_id is not None else Row(UUID(int=next(numbers)), row.action, row.direction, row.status)
            for row in found
        ]
        assert _meaning(rows) == expected
        assert len({row.rule_id for row in rows}) == len(rows)
        # Equal sides are one rule.
        assert len(rows) == len(set(expected.values()))
