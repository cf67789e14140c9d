"""What an identity sees of a contact (contract contacts-notes.md section 4). Pure: no database.

A contact has defaults for its profile and its memories, an identity may have decisions of its own. Without the profile
nothing is visible. Addresses and numbers can be hidden from an identity beside a visible profile.
"""

from __future__ import annotations

from dataclasses import dataclass

from contacts.enums import Decision

INHERIT, ALLOW, BLOCK = Decision.INHERIT.value, Decision.ALLOW.value, Decision.BLOCK.value


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions of one identity, or the defaults of a contact (which decide nothing about email and phone)."""

    profile: str = INHERIT
    memories: str = INHERIT
    email: str = INHERIT
    phone: str = INHERIT

    @property
    def is_neutral(self) -> bool:
        """Says nothing: as good as no row."""
        return self == Decisions()


@dataclass(frozen=True, slots=True)
class Sight:
    """What is visible."""

    profile: bool = True
    memories: bool = True
    email: bool = True
    phone: bool = True


EVERYTHING = Sight()
NOTHING = Sight(profile=False, memories=False, email=False, phone=False)


def sight_of(defaults: Decisions, own: Decisions) -> Sight:
    """What an identity with its own decisions sees of a contact with these defaults."""
    if not _is_allowed(own.profile, defaults.profile):
        return NOTHING
    return Sight(
        memories=_is_allowed(own.memories, defaults.memories),
        email=own.email != BLOCK,
        phone=own.phone != BLOCK,
    )


def _is_allowed(own: str, default: str) -> bool:
    return (default if own == INHERIT else own) != BLOCK
