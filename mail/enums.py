"""Values of this app; the wire enums must never grow (clients reject unknown values)."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Wire enum."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Folder(StrEnum):
    """Wire enum of threads; `blocked` is assigned by the server only."""

    INBOX = "inbox"
    SPAM = "spam"
    BLOCKED = "blocked"
    ARCHIVE = "archive"


class MessageStatus(StrEnum):
    """Wire values of a message's `status` (contract mail.md section 4.8)."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"


class MailEvent(StrEnum):
    """Event types of this app."""

    RECEIVED = "message.received"
    SENT = "message.sent"
    FORWARDED = "message.forwarded"
    DELIVERED = "message.delivered"
    BOUNCED = "message.bounced"
    FAILED = "message.failed"


class RecipientKind(StrEnum):
    """Which header a recipient came from."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class RecipientState(StrEnum):
    """Delivery of one outgoing message to one recipient."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"
    # Handed to a provider, and the process died before the answer: only the provider or a person can tell.
    UNCERTAIN = "uncertain"


class AttemptOutcome(StrEnum):
    """How one call of a transport ended."""

    OPEN = "open"
    FINISHED = "finished"
    ABANDONED = "abandoned"
    UNCERTAIN = "uncertain"


class DkimAlgorithm(StrEnum):
    """RFC 6376 and RFC 8463."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"
