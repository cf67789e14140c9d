"""Reads."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from contacts.enums import RuleStatus
from contacts.models import ContactRule
from contacts.rules import RuleView


def rules_for(identity_ids: Iterable[UUID], channel: str) -> dict[UUID, list[RuleView]]:
    """The active rules of each identity, by identity id; identities without rules are absent. One query."""
    rows = ContactRule.objects.filter(
        identity_id__in=list(identity_ids), channel=channel, status=RuleStatus.ACTIVE.value
    ).values_list("identity_id", "id", "action", "match_type", "match_target", "direction", "status")
    found: dict[UUID, list[RuleView]] = {}
    for identity_id, rule_id, action, match_type, match_target, direction, status in rows:
        rule = RuleView(rule_id, action, match_type, match_target, direction, status)
        found.setdefault(identity_id, []).append(rule)
    return found
