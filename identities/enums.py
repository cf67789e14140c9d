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


class AuditAction(StrEnum):
    """Acts that the audit log keeps, those of other apps too: one list, so that a reader can filter by it.

    The part before the dot is what was acted on.
    """

    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_UPDATED = "organization.updated"
    ORGANIZATION_DELETED = "organization.deleted"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    ORGANIZATION_LIMITED = "organization.limits_changed"
    INVITATION_SENT = "invitation.sent"
    INVITATION_REVOKED = "invitation.revoked"
    MEMBER_JOINED = "member.joined"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"
    KEY_CREATED = "api_key.created"
    KEY_REVOKED = "api_key.revoked"
    SESSION_OPENED = "api_session.opened"
    SESSION_ENDED = "api_session.ended"
    SIGNING_KEY_ROTATED = "signing_key.rotated"
    IDENTITY_CREATED = "identity.created"
    IDENTITY_UPDATED = "identity.updated"
    IDENTITY_PAUSED = "identity.paused"
    IDENTITY_RESUMED = "identity.resumed"
    IDENTITY_FILTERED = "identity.filter_modes_changed"
    IDENTITY_DELETED = "identity.deleted"
    IDENTITY_OPENED = "identity.opened_to_viewer"
    IDENTITY_CLOSED = "identity.closed_to_viewer"
    IDENTITY_AFFILIATED = "identity.domain_chosen"
    IDENTITY_UNAFFILIATED = "identity.domain_removed"
    CLAIM_APPROVED = "claim.approved"
    CLAIM_REJECTED = "claim.rejected"
    RULE_CREATED = "contact_rule.created"
    RULE_UPDATED = "contact_rule.updated"
    RULE_DELETED = "contact_rule.deleted"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_UPDATED = "webhook.updated"
    WEBHOOK_DELETED = "webhook.deleted"
    MAILBOX_CREATED = "mailbox.created"
    MAILBOX_UPDATED = "mailbox.updated"
    MAILBOX_DELETED = "mailbox.deleted"
    SENDING_PAUSED = "mailbox.sending_paused"
    SENDING_RESUMED = "mailbox.sending_resumed"
    NOTE_OPENED = "note.access_granted"
    NOTE_CLOSED = "note.access_ended"
    MESSAGE_APPROVED = "message.approved"
    MESSAGE_REJECTED = "message.rejected"
    ORGANIZATION_DOMAIN_CLAIMED = "organization_domain.claimed"
    ORGANIZATION_DOMAIN_RELEASED = "organization_domain.released"
    DOMAIN_REGISTERED = "domain.registered"
    DOMAIN_KEYS_ROTATED = "domain.keys_rotated"
    DOMAIN_DEFAULT_CHANGED = "domain.default_changed"
    DOMAIN_DELETION_REQUESTED = "domain.deletion_requested"
    DOMAIN_RESTORED = "domain.restored"
    VAULT_INITIALIZED = "vault.initialized"
    VAULT_DELETED = "vault.deleted"
    VAULT_KEY_ADDED = "vault.key_added"
    VAULT_KEY_CHANGED = "vault.key_changed"
    VAULT_KEY_RECOVERED = "vault.key_recovered"
    VAULT_KEY_DELETED = "vault.key_deleted"
    VAULT_ACCESS_GRANTED = "vault.access_granted"
    VAULT_ACCESS_REVOKED = "vault.access_revoked"
