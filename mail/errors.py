"""Refusals of this app."""

from __future__ import annotations

from uuid import UUID

from common.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded


class MailboxNotFound(NotFound):
    """No such mailbox for this caller."""

    def __init__(self) -> None:
        super().__init__("Mailbox not found")


class MessageNotFound(NotFound):
    """No such message for this caller."""

    def __init__(self) -> None:
        super().__init__("Message not found")


class ThreadNotFound(NotFound):
    """No such thread for this caller."""

    def __init__(self) -> None:
        super().__init__("Thread not found")


class AttachmentNotFound(NotFound):
    """No attachment of this name."""

    def __init__(self) -> None:
        super().__init__("Attachment not found")


class SendingDomainNotFound(NotFound):
    """Not a domain of this organization."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"{domain} is not a sending domain of this organization. Register and verify it first.")


class AddressTaken(Conflict):
    """Another mailbox has the address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"The address {address} already belongs to a mailbox. Choose another local part.")


class LocalPartMismatch(Invalid):
    """On the platform domain the local part is the handle."""

    def __init__(self) -> None:
        super().__init__(
            "On the platform domain the local part equals the handle. Leave email_local_part out.",
            loc=("body", "mailbox", "email_local_part"),
        )


class RecipientBlocked(Forbidden):
    """A contact rule or the filter mode forbids writing to this address; nothing was queued."""

    code = "recipient_blocked"

    def __init__(self, address: str, matched_rule_id: UUID | None, reason: str) -> None:
        super().__init__(
            f"Sending to {address} is not allowed: {reason}",
            matched_rule_id=matched_rule_id,
            address=address,
            reason=reason,
        )


class StorageLimitExceeded(QuotaExceeded):
    """The mailbox is full; only sending is refused."""

    code = "storage_limit_exceeded"

    def __init__(self, limit_bytes: int, upgrade_url: str) -> None:
        super().__init__(
            f"This mailbox has reached its limit of {limit_bytes} bytes. Delete mail or raise the limit.",
            limit_bytes=limit_bytes,
            upgrade_url=upgrade_url,
        )


class UnclaimedRecipient(Forbidden):
    """An unclaimed agent writes to its human only."""

    code = "recipient_not_allowed"

    def __init__(self) -> None:
        super().__init__("This agent is not claimed yet and may only write to its human.")
