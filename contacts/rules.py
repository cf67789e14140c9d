"""Which counterparties an identity hears from and may write to (contract mail.md section 8.6). Pure: no database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from contacts.enums import MatchType, RuleAction, RuleDirection, RuleStatus
from identities.enums import FilterMode

_EXACT = frozenset({MatchType.EXACT_EMAIL.value, MatchType.EXACT_NUMBER.value})


@dataclass(frozen=True, slots=True)
class RuleView:
    """A contact rule as the decision needs it. `match_target` is lower case."""

    id: UUID
    action: str
    match_type: str
    match_target: str
    direction: str = RuleDirection.BOTH.value
    status: str = RuleStatus.ACTIVE.value


@dataclass(frozen=True, slots=True)
class Verdict:
    """`matched_rule_id` is None when the filter mode alone decided. `reason` is a sentence for the caller."""

    allowed: bool
    matched_rule_id: UUID | None
    reason: str


def covers(rule: RuleView, side: str) -> bool:
    """Whether the rule takes part in decisions about `side` (inbound or outbound)."""
    return rule.status == RuleStatus.ACTIVE and rule.direction in (side, RuleDirection.BOTH)


def matches_exactly(rule: RuleView, address: str) -> bool:
    """Whether the rule names this very address or number."""
    return rule.match_type in _EXACT and rule.match_target == address


def matches_domain(rule: RuleView, address: str) -> bool:
    """Whether the rule names the domain of this address. Subdomains are domains of their own."""
    _, at, domain = address.rpartition("@")
    return rule.match_type == MatchType.DOMAIN and bool(at) and rule.match_target == domain


def decide(mode: str, rules: Iterable[RuleView], address: str, side: str, *, is_authenticated: bool = True) -> Verdict:
    """Whether `address` may write (side inbound) or be written to (side outbound) in the filter mode of that side.

    An exact rule decides, whatever the mode. Without one, whitelist mode asks for an allowed domain and blacklist mode
    for a blocked one; a domain rule with the other action has no effect in that mode. For an address that was not
    authenticated, and so may be a forgery, rules that allow do not count; rules that block always do.
    """
    wanted = address.strip().lower()
    in_force = [rule for rule in rules if covers(rule, side) and (is_authenticated or rule.action != RuleAction.ALLOW)]
    exact = [rule for rule in in_force if matches_exactly(rule, wanted)]
    if exact:
        return _decided_by(min(exact, key=precedence))
    is_whitelist = mode == FilterMode.WHITELIST
    effective = RuleAction.ALLOW if is_whitelist else RuleAction.BLOCK
    by_domain = [rule for rule in in_force if rule.action == effective and matches_domain(rule, wanted)]
    if by_domain:
        return _decided_by(min(by_domain, key=precedence))
    if is_whitelist:
        reason = "Not on the allow list of this agent." if is_authenticated else "The sender is not authenticated."
        return Verdict(allowed=False, matched_rule_id=None, reason=reason)
    return Verdict(allowed=True, matched_rule_id=None, reason="No rule of this agent blocks it.")


def precedence(rule: RuleView) -> tuple[bool, bool, UUID]:
    """The order in which rules of one kind decide.

    A rule for one side beats one for both sides; among equals the one that blocks is the safe one.
    """
    return rule.direction == RuleDirection.BOTH, rule.action != RuleAction.BLOCK, rule.id


def _decided_by(rule: RuleView) -> Verdict:
    allowed = rule.action == RuleAction.ALLOW
    what = "domain" if rule.match_type == MatchType.DOMAIN else "address"
    verb = "allows" if allowed else "blocks"
    return Verdict(allowed=allowed, matched_rule_id=rule.id, reason=f"A contact rule of this agent {verb} this {what}.")
