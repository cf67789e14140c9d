"""Contacts and contact rules, made through the services."""

from __future__ import annotations

from typing import Any

from common.unset import UNSET
from contacts.content import ContactFields
from contacts.enums import RuleChannel
from contacts.models import Contact, ContactRule
from contacts.services.contacts import create_contact
from contacts.services.rules import NewRule, create_rule
from identities.models import AgentIdentity, Organization
from tests.factories.identities import admin_principal


def rule(
    identity: AgentIdentity,
    target: str = "spam.example",
    *,
    action: str = "block",
    direction: str = "both",
    status: str = "active",
) -> ContactRule:
    """A mail rule: exact for an address, else for a domain."""
    match_type = "exact_email" if "@" in target else "domain"
    new = NewRule(action, match_type, target, direction)
    row = create_rule(admin_principal(identity.organization), identity, RuleChannel.MAIL, new)
    if status != row.status:
        row.status = status
        row.save()
    return row


def contact(of: Organization, name: str | None = None, **fields: Any) -> Contact:
    """A contact of the organization, through the service. `emails` and `phones` may be plain texts."""
    emails = [{"value": one} if isinstance(one, str) else one for one in fields.pop("emails", [])]
    phones = [{"value_e164": one} if isinstance(one, str) else one for one in fields.pop("phones", [])]
    access: Any = fields.pop("access", UNSET)
    new = ContactFields(preferred_name=name or "Ada Lovelace", emails=emails, phones=phones, **fields)
    return create_contact(admin_principal(of), new, access)
