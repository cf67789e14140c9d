"""Reads."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from common.prepared import Many, Prepared
from contacts.enums import RuleStatus
from contacts.models import ContactRule
from contacts.rules import RuleView

_ACTIVE_RULES = Prepared(
    lambda ids, channel: ContactRule.objects.filter(
        identity_id__in=ids, channel=channel, status=RuleStatus.ACTIVE.value
    ).values_list("identity_id", "id", "action", "match_type", "match_target", "direction", "status"),
    Many(UUID),
    str,
)


def rules_for(identity_ids: Collection[UUID], channel: str) -> dict[UUID, list[RuleView]]:
    """The active rules of each identity, by identity id; identities without rules are absent. One query."""
    if not identity_ids:
        return {}
    found: dict[UUID, list[RuleView]] = {}
    for identity_id, *rule in _ACTIVE_RULES.tuples(identity_ids, channel):
        found.setdefault(identity_id, []).append(RuleView(*rule))
    return found
