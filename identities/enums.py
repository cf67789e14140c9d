"""Values that go on the wire."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person may do in an organization. On the wire owners are admins (contract identities.md section 15)."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class IdentityStatus(StrEnum):
    """`paused`: nothing is sent for the identity, mail is still stored (contract identities.md section 6)."""

    ACTIVE = "active"
    PAUSED = "paused"


class FilterMode(StrEnum):
    """What happens to a counterparty that no contact rule names."""

    WHITELIST = "whitelist"
    BLACKLIST = "blacklist"


class ClaimStatus(StrEnum):
    """Whether a human has vouched for an agent."""

    CLAIMED = "agent_claimed"
    UNCLAIMED = "agent_unclaimed"
    REJECTED = "agent_rejected"


class Namespace(StrEnum):
    """Which kind of resource holds a name of the one global namespace."""

    IDENTITIES = "identities"
    TUNNELS = "tunnels"
    MAIL = "mail"


class CreatorType(StrEnum):
    """Who made an API key."""

    HUMAN = "human"
    AGENT = "agent"


class KeyStatus(StrEnum):
    """Derived from `revoked_at`."""

    ACTIVE = "active"
    REVOKED = "revoked"


class TlsMode(StrEnum):
    """Where the TLS of a tunnel ends. Here because identity creation takes it as an option."""

    EDGE = "edge"
    PASSTHROUGH = "passthrough"


class IdempotencyState(StrEnum):
    """Life of an idempotency row."""

    IN_PROGRESS = "in_progress"
    DONE = "done"
