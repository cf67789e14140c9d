"""Contact rules as the mail API shows them: they belong to identities and are shown with the mailbox they govern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from common.errors import Invalid
from common.principal import Principal
from contacts import selectors
from contacts.enums import MatchType, RuleChannel
from contacts.models import ContactRule
from contacts.selectors import RuleFilter
from identities.models import AgentIdentity
from identities.selectors import get_identity
from mail.addresses import normalize_address, parse_domain, parse_recipient
from mail.models import Mailbox
from mail.selectors import get_mailbox

MAIL = RuleChannel.MAIL


@dataclass(frozen=True, slots=True)
class RuleOwner:
    """Whose rules a route speaks of: named by the mailbox or by the identity, one of which may be missing."""

    identity: AgentIdentity | None
    mailbox_id: UUID | None

    @property
    def identity_id(self) -> UUID | None:
        return self.identity.pk if self.identity is not None else None


def owner_by_mailbox(principal: Principal, address: str) -> RuleOwner:
    """Raises MailboxNotFound."""
    mailbox = get_mailbox(principal, address)
    return RuleOwner(mailbox.identity, mailbox.pk)


def owner_by_handle(principal: Principal, handle: str) -> RuleOwner:
    """Raises IdentityNotFound."""
    identity = get_identity(principal, handle)
    rows = Mailbox.objects.visible_to(principal).filter(identity=identity)
    return RuleOwner(identity, rows.values_list("pk", flat=True).first())


def canonical_target(match_type: str, raw: str) -> str:
    """The spelling that addresses are compared in. Raises Invalid for what is no address or no domain."""
    if match_type == MatchType.DOMAIN:
        domain = parse_domain(raw)
        if domain is None:
            raise Invalid(
                "This is not a domain. Send a bare one such as example.com; subdomains need rules of their own.",
                loc=("body", "match_target"),
            )
        return domain
    address = parse_recipient(raw)
    if address is None:
        raise Invalid(
            "This is not an email address. Send a bare address such as ada@example.com.", loc=("body", "match_target")
        )
    return normalize_address(address)


def list_rules_of(principal: Principal, owner: RuleOwner, wanted: RuleFilter) -> list[dict[str, Any]]:
    """Newest first; none for a mailbox without an identity."""
    if owner.identity is None:
        return []
    rows = selectors.visible_rules(principal, MAIL, wanted).filter(identity_id=owner.identity.pk)
    rules = selectors.page_of(rows, wanted)
    cards = selectors.contact_cards(principal, rules)
    return [rule_body(rule, owner.mailbox_id, cards.get(rule.pk)) for rule in rules]


def list_organization_rules(
    principal: Principal, wanted: RuleFilter, *, mailbox_id: UUID | None, identity_id: UUID | None
) -> list[dict[str, Any]]:
    """Newest first. Clients that know mailboxes only need one in every row, so rules without are left out, unless
    the filter names their identity."""
    boxes = Mailbox.objects.visible_to(principal)
    rows = selectors.visible_rules(principal, MAIL, wanted)
    if mailbox_id is not None:
        rows = rows.filter(identity_id__in=boxes.filter(pk=mailbox_id).values("identity_id"))
    if identity_id is None:
        rows = rows.filter(Exists(boxes.filter(identity_id=OuterRef("identity_id"))))
    else:
        rows = rows.filter(identity_id=identity_id)
    rules = selectors.page_of(rows, wanted)
    governed = boxes.filter(identity_id__in={rule.identity_id for rule in rules})
    mailbox_ids = dict(governed.values_list("identity_id", "pk")) if rules else {}
    cards = selectors.contact_cards(principal, rules)
    return [rule_body(rule, mailbox_ids.get(rule.identity_id), cards.get(rule.pk)) for rule in rules]


def rule_body(rule: ContactRule, mailbox_id: UUID | None, contact: dict[str, Any] | None) -> dict[str, Any]:
    """One shape for every route and client generation (contract mail.md section 8.2)."""
    return {
        "id": rule.pk,
        "mailbox_id": mailbox_id,
        "agent_identity_id": rule.identity_id,
        "action": rule.action,
        "match_type": rule.match_type,
        "match_target": rule.match_target,
        "direction": rule.direction,
        "status": rule.status,
        "contact": contact,
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
    }
