"""How the rules for one target share its two sides (contract mail.md sections 8.3 and 8.4). Pure: no database.

A target (one address, number or domain of one identity) has an inbound and an outbound side. Each is covered by at most
one rule. Two rules stand beside each other only while they differ in action or status; as soon as they agree they are
one rule for both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from contacts.enums import RuleDirection, RuleStatus

INBOUND, OUTBOUND = RuleDirection.INBOUND.value, RuleDirection.OUTBOUND.value
_SIDES = {INBOUND: (INBOUND,), OUTBOUND: (OUTBOUND,), RuleDirection.BOTH.value: (INBOUND, OUTBOUND)}


@dataclass(frozen=True, slots=True)
class Row:
    """A rule of the target. `rule_id` is None for one that is to be made."""

    rule_id: UUID | None
    action: str
    direction: str
    status: str = RuleStatus.ACTIVE.value


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules a target is to have: the one the caller spoke of, and perhaps one for the other side."""

    main: Row
    other: Row | None = None

    @property
    def kept(self) -> frozenset[UUID]:
        """Ids of stored rules that stay. Those that do not stay become aliases of the main rule."""
        return frozenset(row.rule_id for row in (self.main, self.other) if row is not None and row.rule_id is not None)


@dataclass(frozen=True, slots=True)
class Taken:
    """A rule that stands in the way of a new one."""

    rule_id: UUID
    is_contradiction: bool
    is_paused: bool


def sides_of(direction: str) -> tuple[str, ...]:
    """The sides that a direction covers."""
    return _SIDES[direction]


def plan_create(stored: Iterable[Row], action: str, direction: str) -> Plan | Taken:
    """Cover the sides of `direction`: alone, or by extending an active rule of the same action.

    Taken when every side is covered already, or when one is covered by a rule with the other action or a paused one:
    a paused rule keeps its slot, and a new rule must be in force where it was asked for.
    """
    covers = _by_side(stored)
    wanted = sides_of(direction)
    for side in wanted:
        found = covers.get(side)
        if found is not None and (found.action != action or found.status != RuleStatus.ACTIVE):
            return _taken(found, action)
    missing = [side for side in wanted if side not in covers]
    if not missing:
        return _taken(covers[wanted[0]], action)
    covers |= {side: Row(None, action, side) for side in missing}
    return _settle(covers, missing[0])


def plan_change(
    stored: Iterable[Row], rule_id: UUID, *, action: str | None, status: str | None, direction: str | None
) -> Plan:
    """Change a rule as a whole. Where it comes to cover a side of another rule, it takes that side over."""
    covers = _by_side(stored)
    (row,) = {id(found): found for found in covers.values() if found.rule_id == rule_id}.values()
    changed = replace(
        row, action=action or row.action, status=status or row.status, direction=direction or row.direction
    )
    covers = {side: found for side, found in covers.items() if found.rule_id != rule_id}
    covers |= dict.fromkeys(sides_of(changed.direction), changed)
    return _settle(covers, sides_of(changed.direction)[0])


def plan_side_change(stored: Iterable[Row], rule_id: UUID, side: str, action: str) -> Plan | None:
    """Change one side of a rule; the other keeps its action, as a rule of its own. None when `side` is not covered."""
    covers = _by_side(stored)
    row = covers.get(side)
    if row is None or row.rule_id != rule_id:
        return None
    covers[side] = replace(row, action=action)
    return _settle(covers, side)


def plan_sides(stored: Iterable[Row], wanted: Mapping[str, str | None]) -> tuple[Plan | None, list[UUID]]:
    """Give each side of `wanted` an active rule with its action, or (None) none that is in force.

    Returns the plan, None when no rule is left, and the rules that no longer cover anything. A paused rule decides
    nothing: it stays where none is wanted, and becomes active where one is.
    """
    rows = list(stored)
    covers = _by_side(rows)
    for side, action in wanted.items():
        found = covers.get(side)
        if action is not None:
            row = found or Row(None, action, side)
            covers[side] = replace(row, action=action, status=RuleStatus.ACTIVE.value)
        elif found is not None and found.status == RuleStatus.ACTIVE:
            del covers[side]
    kept = {row.rule_id for row in covers.values()}
    removed = [row.rule_id for row in rows if row.rule_id is not None and row.rule_id not in kept]
    return (_settle(covers, next(iter(covers))) if covers else None), removed


def _by_side(stored: Iterable[Row]) -> dict[str, Row]:
    return {side: row for row in stored for side in sides_of(row.direction)}


def _taken(row: Row, action: str) -> Taken:
    assert row.rule_id is not None
    return Taken(row.rule_id, is_contradiction=row.action != action, is_paused=row.status != RuleStatus.ACTIVE)


def _settle(covers: Mapping[str, Row], main_side: str) -> Plan:
    """The fewest rules that say what `covers` says. The main side keeps its id before the other side does."""
    main = replace(covers[main_side], direction=main_side)
    other_side = OUTBOUND if main_side == INBOUND else INBOUND
    if other_side not in covers:
        return Plan(main)
    other = replace(covers[other_side], direction=other_side)
    if (main.action, main.status) == (other.action, other.status):
        return Plan(Row(main.rule_id or other.rule_id, main.action, RuleDirection.BOTH.value, main.status))
    if main.rule_id == other.rule_id:
        other = replace(other, rule_id=None)
    return Plan(main, other)
