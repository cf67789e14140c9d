"""Models, one aggregate a module."""

from contacts.models.contact_rule import ContactRule

__all__ = ["ContactRule"]
