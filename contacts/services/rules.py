"""Create, change and delete contact rules, whatever the channel (contract mail.md section 8).

The rules of an identity are written one at a time: each service locks the identity first. Constraints on the table say
the same, so no two rules can ever cover one side of a target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.clock import now
from common.errors import Invalid
from common.principal import Principal
from common.unset import UNSET, Unset
from contacts import limits
from contacts.coverage import Plan, Row, Taken, plan_change, plan_create, plan_side_change
from contacts.enums import RuleChannel, RuleDirection
from contacts.errors import AgentMayNotCreateRules, DuplicateRule, RuleNotFound, TooManyRules
from contacts.models import ContactRule, ContactRuleAlias
from contacts.selectors import rule_or_alias
from identities.enums import AuditAction
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity
from identities.roles import require_manager
from identities.services.audit import Target, record_audit


@dataclass(frozen=True, slots=True)
class NewRule:
    """The body of rule create. `match_target` is in the form that addresses are compared in."""

    action: str
    match_type: str
    match_target: str
    direction: str = RuleDirection.BOTH.value


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """The body of rule update; UNSET means unchanged. `apply_to` narrows `action` to one side."""

    action: str | Unset = UNSET
    status: str | Unset = UNSET
    direction: str | Unset = UNSET
    apply_to: str | Unset = UNSET


def create_rule(principal: Principal, identity: AgentIdentity, channel: RuleChannel, new: NewRule) -> ContactRule:
    """A new rule, or the active one of the same action extended by the missing side.

    Raises AgentMayNotCreateRules and RoleTooLow 403, DuplicateRule and TooManyRules 409, IdentityNotFound 404.
    """
    _check_creator(principal)
    with transaction.atomic():
        lock_rules(identity.pk)
        slot = Slot(identity, channel, new.match_type, new.match_target)
        plan = plan_create(slot.rows(), new.action, new.direction)
        if isinstance(plan, Taken):
            raise DuplicateRule(plan)
        if ContactRule.objects.filter(identity=identity).count() >= limits.RULES_PER_IDENTITY_MAX:
            raise TooManyRules(limits.RULES_PER_IDENTITY_MAX)
        rule = slot.write(plan)
        record_rule(rule, identity, AuditAction.RULE_CREATED)
    return rule


def update_rule(principal: Principal, rule: ContactRule, changes: RuleChanges) -> ContactRule:
    """Apply the changes; the result is the rule of the side that was changed, under the same id.

    Raises RoleTooLow 403, RuleNotFound 404, Invalid 422 for an empty or contradictory body.
    """
    require_manager(principal)
    _check_changes(changes)
    with transaction.atomic():
        rule = _lock_rule(rule)
        slot = Slot(rule.identity, RuleChannel(rule.channel), rule.match_type, rule.match_target)
        if changes.apply_to is not UNSET:
            assert changes.action is not UNSET
            plan = plan_side_change(slot.rows(), rule.pk, changes.apply_to, changes.action)
            if plan is None:
                raise Invalid(f"This rule covers {rule.direction} only. Leave apply_to out.", loc=("body", "apply_to"))
        else:
            plan = plan_change(
                slot.rows(),
                rule.pk,
                action=changes.action or None,
                status=changes.status or None,
                direction=changes.direction or None,
            )
        identity = rule.identity
        rule = slot.write(plan)
        record_rule(rule, identity, AuditAction.RULE_UPDATED)
    return rule


def delete_rule(principal: Principal, rule: ContactRule) -> None:
    """Remove a rule and its aliases. Raises RoleTooLow 403, RuleNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        rule = _lock_rule(rule)
        record_rule(rule, rule.identity, AuditAction.RULE_DELETED)
        rule.delete()


class Slot:
    """The rules for one target of one identity, which the caller has locked."""

    def __init__(
        self,
        identity: AgentIdentity,
        channel: RuleChannel,
        match_type: str,
        match_target: str,
        stored: Iterable[ContactRule] | None = None,
    ) -> None:
        """`stored` are the rules of the target, where the caller has read them."""
        self.keys = {
            "identity_id": identity.pk,
            "organization_id": identity.organization_id,
            "channel": channel.value,
            "match_type": match_type,
            "match_target": match_target,
        }
        rules = ContactRule.objects.filter(**self.keys) if stored is None else stored
        self.stored = {rule.pk: rule for rule in rules}

    def rows(self) -> list[Row]:
        """As plans are made from."""
        return [Row(rule.pk, rule.action, rule.direction, rule.status) for rule in self.stored.values()]

    def write(self, plan: Plan) -> ContactRule:
        """Make the table say what the plan says. Rules give up their sides before others take them."""
        lost = [pk for pk in self.stored if pk not in plan.kept]
        if lost:
            assert plan.main.rule_id is not None
            survivor = plan.main.rule_id
            ContactRuleAlias.objects.filter(rule_id__in=lost).update(rule_id=survivor)
            ContactRuleAlias.objects.bulk_create(ContactRuleAlias(pk=pk, rule_id=survivor) for pk in lost)
            ContactRule.objects.filter(pk__in=lost).delete()
        main = self._save(plan.main)
        if plan.other is not None:
            self._save(plan.other, like=main)
        return main

    def _save(self, row: Row, like: ContactRule | None = None) -> ContactRule:
        rule = self.stored.get(row.rule_id) if row.rule_id is not None else None
        if rule is None:
            rule = ContactRule(**self.keys, created_at=like.created_at if like is not None else now())
        elif (rule.action, rule.direction, rule.status) == (row.action, row.direction, row.status):
            return rule
        rule.action, rule.direction, rule.status = row.action, row.direction, row.status
        rule.save()
        return rule


def record_rule(rule: ContactRule, identity: AgentIdentity, action: AuditAction) -> None:
    """Write the audit log, last in the transaction."""
    details = {
        "agent": f"@{identity.agent_handle}",
        "channel": rule.channel,
        "action": rule.action,
        "direction": rule.direction,
        "status": rule.status,
    }
    record_audit(rule.organization_id, action, Target(rule.pk, rule.match_target), details)


def lock_rules(identity_id: UUID) -> None:
    """Hold the rules of an identity until the transaction ends. Raises IdentityNotFound."""
    # NO KEY: messages and events that merely refer to the identity are still inserted meanwhile.
    if not AgentIdentity.objects.alive().select_for_update(no_key=True).filter(pk=identity_id).exists():
        raise IdentityNotFound


def _lock_rule(rule: ContactRule) -> ContactRule:
    """The rule as it is now, which may be the one it was consolidated into since it was read."""
    lock_rules(rule.identity_id)
    rows = ContactRule.objects.filter(identity_id=rule.identity_id).select_related("identity")
    current = rule_or_alias(rows, rule.pk)
    if current is None:
        raise RuleNotFound
    return current


def _check_creator(principal: Principal) -> None:
    if not principal.is_agent:
        require_manager(principal)
    elif not settings.AGENTS_CREATE_CONTACT_RULES:
        raise AgentMayNotCreateRules


def _check_changes(changes: RuleChanges) -> None:
    if changes == RuleChanges():
        raise Invalid("Send at least one of action, status and direction.", loc=("body",))
    if changes.apply_to is UNSET:
        return
    if changes.action is UNSET:
        raise Invalid("apply_to says which side gets the action: send action too.", loc=("body", "action"))
    for name in ("direction", "status"):
        if getattr(changes, name) is not UNSET:
            raise Invalid(f"Send either apply_to or {name}, not both.", loc=("body", name))
