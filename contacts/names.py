"""Names of contacts: what they are called, sorted by and found by. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from contacts import limits


class Named(Protocol):
    """The naming fields of a contact."""

    preferred_name: str | None
    given_name: str | None
    family_name: str | None
    company_name: str | None
    job_title: str | None
    notes: str | None


def is_named(contact: Named) -> bool:
    """Whether one of the four fields that a contact must have is filled."""
    return any((contact.preferred_name, contact.given_name, contact.family_name, contact.company_name))


def synthesize_name(contact: Named) -> str | None:
    """Given and family name, else the company; None when there is neither."""
    person = " ".join(part for part in (contact.given_name, contact.family_name) if part)
    name = person or contact.company_name
    return name[: limits.PREFERRED_NAME_MAX_CHARS] if name else None


def sort_key(name: str | None) -> str:
    """What a list by name is sorted by: without regard to case."""
    return (name or "").casefold()[: limits.PREFERRED_NAME_MAX_CHARS]


def search_text(contact: Named) -> str:
    """What `q` is looked for in. Fields are on lines of their own, so that nothing matches across two of them."""
    fields: Iterable[str | None] = (
        contact.preferred_name,
        contact.given_name,
        contact.family_name,
        contact.company_name,
        contact.job_title,
        contact.notes,
    )
    return "\n".join(field.casefold() for field in fields if field)
