"""Set what an identity's contact rules say about single addresses, side by side with what else they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contacts import limits
from contacts.coverage import plan_sides
from contacts.enums import RuleChannel
from contacts.errors import TooManyRules
from contacts.models import ContactRule
from contacts.services.rules import Slot, record_rule
from identities.enums import AuditAction
from identities.models import AgentIdentity


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What has become of a rule, for the audit log."""

    rule: ContactRule
    action: AuditAction


def set_exact_rules(
    identity: AgentIdentity,
    channel: RuleChannel,
    match_type: str,
    wanted: Mapping[str, Mapping[str, str | None]],
) -> list[RuleChange]:
    """For each target and side: a rule with that action, or (None) no rule that is in force.

    In the caller's transaction, which holds the identity. A paused rule that gets an action is in force again. Raises
    TooManyRules 409. Returns what has changed, to be recorded last.
    """
    stored: dict[str, list[ContactRule]] = defaultdict(list)
    of_identity = ContactRule.objects.filter(identity=identity)
    for rule in of_identity.filter(channel=channel.value, match_type=match_type, match_target__in=list(wanted)):
        stored[rule.match_target].append(rule)
    changes = [
        change
        for target, sides in wanted.items()
        for change in _set(Slot(identity, channel, match_type, target, stored[target]), sides)
    ]
    has_new = any(change.action is AuditAction.RULE_CREATED for change in changes)
    if has_new and of_identity.count() > limits.RULES_PER_IDENTITY_MAX:
        raise TooManyRules(limits.RULES_PER_IDENTITY_MAX)
    return changes


def _set(slot: Slot, sides: Mapping[str, str | None]) -> Iterable[RuleChange]:
    before = slot.rows()
    plan, removed = plan_sides(before, sides)
    for pk in removed:
        rule = slot.stored.pop(pk)
        ContactRule.objects.filter(pk=pk).delete()
        yield RuleChange(rule, AuditAction.RULE_DELETED)
    if plan is None or {plan.main, *([plan.other] if plan.other is not None else [])} == set(before):
        return
    rule = slot.write(plan)
    yield RuleChange(rule, AuditAction.RULE_UPDATED if slot.stored else AuditAction.RULE_CREATED)


def record_changes(changes: Iterable[RuleChange], identity: AgentIdentity) -> None:
    """Write the audit log, last in the transaction."""
    for change in changes:
        record_rule(change.rule, identity, change.action)
