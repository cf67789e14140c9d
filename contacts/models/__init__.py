"""Models, one aggregate a module."""

from contacts.models.contact import Contact, ContactIdentifier, ContactVisibility
from contacts.models.contact_rule import ContactRule
from contacts.models.contact_rule_alias import ContactRuleAlias
from contacts.models.fact import ContactFact, ContactFactCitation

__all__ = [
    "Contact",
    "ContactFact",
    "ContactFactCitation",
    "ContactIdentifier",
    "ContactRule",
    "ContactRuleAlias",
    "ContactVisibility",
]
