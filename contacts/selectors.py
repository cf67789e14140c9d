"""Reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from common.ids import parse_uuid
from common.prepared import Many, Prepared
from common.principal import Principal
from contacts import limits
from contacts.contact_selectors import visible_identifiers
from contacts.describing import describe_contacts
from contacts.enums import IdentifierKind, MatchType, RuleChannel, RuleDirection, RuleStatus
from contacts.errors import RuleNotFound
from contacts.models import Contact, ContactRule
from contacts.rules import RuleView


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """What a rule list is narrowed by. A direction other than `both` also finds the rules for both sides."""

    action: str | None = None
    match_type: str | None = None
    direction: str | None = None
    limit: int = limits.RULE_LIST_DEFAULT
    offset: int = 0


_ACTIVE_RULES = Prepared(
    lambda ids, channel, targets: ContactRule.objects.filter(
        identity_id__in=ids, channel=channel, match_target__in=targets, status=RuleStatus.ACTIVE.value
    ).values_list("identity_id", "id", "action", "match_type", "match_target", "direction", "status"),
    Many(UUID),
    str,
    Many(str),
)


def rules_for(
    identity_ids: Collection[UUID], channel: str, counterparties: Iterable[str]
) -> dict[UUID, list[RuleView]]:
    """The active rules of each identity that say something about these counterparties, by identity id.

    Counterparties are addresses or numbers as they are compared (lower case). Identities without such rules are
    absent. One query by index, however many rules an identity has.
    """
    targets = {target for one in counterparties for target in (one, one.rpartition("@")[2])}
    if not identity_ids or not targets:
        return {}
    found: dict[UUID, list[RuleView]] = {}
    for identity_id, *rule in _ACTIVE_RULES.tuples(identity_ids, channel, targets):
        found.setdefault(identity_id, []).append(RuleView(*rule))
    return found


def count_active_rules(identity_id: UUID, channel: RuleChannel, action: str) -> int:
    """Active rules of an identity with this action."""
    rows = ContactRule.objects.filter(identity_id=identity_id, channel=channel.value, action=action)
    return rows.filter(status=RuleStatus.ACTIVE.value).count()


def visible_rules(principal: Principal, channel: RuleChannel, wanted: RuleFilter) -> QuerySet[ContactRule]:
    """Rules that the caller may see, newest first, paused ones included; not cut to a page yet."""
    rows = ContactRule.objects.visible_to(principal).filter(channel=channel.value)
    if wanted.action is not None:
        rows = rows.filter(action=wanted.action)
    if wanted.match_type is not None:
        rows = rows.filter(match_type=wanted.match_type)
    if wanted.direction is not None:
        rows = rows.filter(direction__in={wanted.direction, RuleDirection.BOTH.value})
    return rows.order_by("-created_at", "-pk")


def page_of(rows: QuerySet[ContactRule], wanted: RuleFilter) -> list[ContactRule]:
    """The rows of one page."""
    return list(rows[wanted.offset : wanted.offset + wanted.limit])


def get_rule(principal: Principal, channel: RuleChannel, identity_id: UUID | None, row_id: str) -> ContactRule:
    """A rule of this identity by its id, or by one that was consolidated into it. Raises RuleNotFound."""
    pk = parse_uuid(row_id)
    rows = ContactRule.objects.visible_to(principal).filter(channel=channel.value, identity_id=identity_id)
    rule = rule_or_alias(rows, pk) if pk is not None and identity_id is not None else None
    if rule is None:
        raise RuleNotFound
    return rule


def rule_or_alias(rows: QuerySet[ContactRule], pk: UUID) -> ContactRule | None:
    """The row with this id, or the one that took its place."""
    return rows.filter(pk=pk).first() or rows.filter(aliases__pk=pk).first()


_IDENTIFIER_KINDS = {
    MatchType.EXACT_EMAIL.value: IdentifierKind.EMAIL.value,
    MatchType.EXACT_NUMBER.value: IdentifierKind.PHONE.value,
}


def contact_cards(principal: Principal, rules: Iterable[ContactRule]) -> dict[UUID, dict[str, Any]]:
    """The contact behind each exact rule that has one, by rule id, as far as the caller may see it; the oldest of
    several. One query when nobody is known, a fixed number otherwise.
    """
    exact = {
        rule.pk: (_IDENTIFIER_KINDS[rule.match_type], rule.match_target)
        for rule in rules
        if rule.match_type in _IDENTIFIER_KINDS
    }
    if not exact:
        return {}
    rows = visible_identifiers(principal).filter(
        kind__in={kind for kind, _ in exact.values()}, value__in={value for _, value in exact.values()}
    )
    holders: dict[tuple[str, str], Contact] = {}
    for row in rows.select_related("contact").order_by("contact_id"):
        holders.setdefault((row.kind, row.value), row.contact)
    contacts = list({contact.pk: contact for contact in holders.values()}.values())
    bodies = {body["id"]: body for body in describe_contacts(principal, contacts)}
    return {pk: bodies[holders[key].pk] for pk, key in exact.items() if key in holders}
