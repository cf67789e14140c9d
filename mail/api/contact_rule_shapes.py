"""Shapes of contact rules (contract mail.md section 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.api.inputs import HeaderText, InputSerializer
from contacts import limits
from contacts.enums import MatchType, RuleAction, RuleDirection, RuleStatus
from contacts.selectors import RuleFilter
from contacts.services.rules import NewRule, RuleChanges
from mail.limits import ADDRESS_MAX_CHARS

_MATCH_TYPES = [MatchType.EXACT_EMAIL.value, MatchType.DOMAIN.value]
_SIDES = [RuleDirection.INBOUND.value, RuleDirection.OUTBOUND.value]


def _one_of(values: Iterable[str], **kwargs: Any) -> serializers.ChoiceField:
    known = list(values)
    message = f"Use one of: {', '.join(known)}."
    return serializers.ChoiceField(choices=known, error_messages={"invalid_choice": message}, **kwargs)


def _refuse(data: Any, fields: Iterable[str], message: str) -> None:
    sent = [name for name in fields if isinstance(data, dict) and name in data]
    if sent:
        raise serializers.ValidationError(dict.fromkeys(sent, message))


class NewRuleIn(InputSerializer[NewRule]):
    """A new rule. It is active; without a direction it covers both sides."""

    into = NewRule
    action = _one_of(RuleAction)
    match_type = _one_of(_MATCH_TYPES)
    match_target = HeaderText(max_length=ADDRESS_MAX_CHARS, allow_blank=False)
    direction = _one_of(RuleDirection, required=False)

    def to_internal_value(self, data: Any) -> Any:
        _refuse(data, ["status"], "New rules are active. Leave status out.")
        return super().to_internal_value(data)


class RuleChangesIn(InputSerializer[RuleChanges]):
    """What to change. `apply_to` narrows a new action to one side."""

    into = RuleChanges
    action = _one_of(RuleAction, required=False)
    status = _one_of(RuleStatus, required=False)  # until 0.5.4
    direction = _one_of(RuleDirection, required=False)  # since 0.7.3
    apply_to = _one_of(_SIDES, required=False)  # since 0.7.3

    def to_internal_value(self, data: Any) -> Any:
        _refuse(data, ["match_type", "match_target"], "What a rule matches never changes. Make a new rule.")
        return super().to_internal_value(data)


class RuleFilterIn(InputSerializer[RuleFilter]):
    """Query of a rule list."""

    into = RuleFilter
    action = _one_of(RuleAction, required=False)
    match_type = _one_of(_MATCH_TYPES, required=False)
    direction = _one_of(RuleDirection, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=limits.RULE_LIST_MAX, required=False)
    offset = serializers.IntegerField(min_value=0, max_value=limits.RULE_LIST_OFFSET_MAX, required=False)


@dataclass(frozen=True, slots=True)
class OwnerFilter:
    """Narrows the organization's list to one owner."""

    mailbox_id: UUID | None = None
    agent_identity_id: UUID | None = None


class OwnerFilterIn(InputSerializer[OwnerFilter]):
    """Older clients name the mailbox, newer ones the identity."""

    into = OwnerFilter
    mailbox_id = serializers.UUIDField(required=False)
    agent_identity_id = serializers.UUIDField(required=False)


class ContactRuleOut(serializers.Serializer[Any]):
    """A contact rule (rendered by mail/contact_rules.py)."""

    id = serializers.UUIDField()
    mailbox_id = serializers.UUIDField(
        allow_null=True, help_text="Null only for an identity that was asked for by itself and has no mailbox."
    )
    agent_identity_id = serializers.UUIDField()
    action = serializers.ChoiceField(choices=[a.value for a in RuleAction])
    match_type = serializers.ChoiceField(choices=_MATCH_TYPES)
    match_target = serializers.CharField()
    direction = serializers.ChoiceField(choices=[d.value for d in RuleDirection])
    status = serializers.ChoiceField(choices=[s.value for s in RuleStatus])
    contact = serializers.DictField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
