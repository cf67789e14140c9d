"""Values that go on the wire (contract mail.md section 8, telephony.md for numbers)."""

from __future__ import annotations

from enum import StrEnum


class RuleChannel(StrEnum):
    """What a rule applies to."""

    MAIL = "mail"
    PHONE = "phone"


class RuleAction(StrEnum):
    """What a rule does with its counterparty."""

    ALLOW = "allow"
    BLOCK = "block"


class MatchType(StrEnum):
    """How `match_target` is compared with an address."""

    EXACT_EMAIL = "exact_email"
    DOMAIN = "domain"
    EXACT_NUMBER = "exact_number"


class RuleDirection(StrEnum):
    """Which side of the conversation a rule covers."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"


class RuleStatus(StrEnum):
    """A paused rule keeps its slot and is listed, but decides nothing."""

    ACTIVE = "active"
    PAUSED = "paused"
