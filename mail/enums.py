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


class ForwardMode(StrEnum):
    """Wire enum: the original below the caller's note, or attached as it is."""

    INLINE = "inline"
    WRAPPED = "wrapped"


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


class PlatformMailState(StrEnum):
    """Where a message of the server itself stands."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class AttemptOutcome(StrEnum):
    """How one call of a transport ended."""

    OPEN = "open"
    FINISHED = "finished"
    ABANDONED = "abandoned"
    UNCERTAIN = "uncertain"


class SuppressionReason(StrEnum):
    """Why nothing is sent to an address."""

    HARD_BOUNCE = "hard_bounce"
    MAILBOX_FULL = "mailbox_full"
    COMPLAINT = "complaint"
    MANUAL = "manual"


class SuppressionSource(StrEnum):
    """Who put an address on the list."""

    SMTP = "smtp"
    BOUNCE = "bounce"
    PROVIDER = "provider"
    API = "api"
    OPERATOR = "operator"


class AutoSubmitted(StrEnum):
    """How a message that a program sends says so (RFC 3834 section 5)."""

    GENERATED = "auto-generated"
    REPLIED = "auto-replied"


class DkimAlgorithm(StrEnum):
    """RFC 6376 and RFC 8463."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


class TextStatus(StrEnum):
    """Of the text of an attachment. `failed` and `skipped` come with a reason and are final."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
