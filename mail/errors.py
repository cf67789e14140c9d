"""Refusals of this app."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from common.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded, RateLimited


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


class ImportJobNotFound(NotFound):
    """No such import job in this mailbox."""

    def __init__(self) -> None:
        super().__init__("Import job not found")


class ImportAlreadyOpen(Conflict):
    """One import at a time for each mailbox."""

    code = "mail_import_already_in_flight"

    def __init__(self) -> None:
        super().__init__("This mailbox has an import that is not finished. Wait for it, or cancel it.")


class ImportStateConflict(Conflict):
    """The job is past the state in which this can be done."""

    code = "mail_import_state_conflict"

    def __init__(self, status: str, what: str) -> None:
        super().__init__(f"This import is {status}; {what}", status=status)


class ImportQuotaExceeded(RateLimited):
    """Too many jobs of the organization within a day."""

    code = "mail_import_quota_exceeded"

    def __init__(self, used: int, retry_after: int) -> None:
        super().__init__(
            f"{used} import jobs were made within the last 24 hours, which is the limit. Try again later.",
            retry_after=retry_after,
            retry_after_seconds=retry_after,
        )


class UploadRefused(Forbidden):
    """The upload target is forged, expired, or of a job that takes no upload any more."""

    code = "upload_target_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Ask for a new upload target.")


class AttachmentNotFound(NotFound):
    """No attachment of this name."""

    def __init__(self) -> None:
        super().__init__("Attachment not found")


class SendingDomainNotFound(NotFound):
    """Not a domain of this organization."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"{domain} is not a sending domain of this organization. Register and verify it first.")


class SendingDomainNotVerified(Conflict):
    """The domain is the organization's, but it is not verified at present."""

    code = "sending_domain_not_verified"

    def __init__(self, domain: str, status: str, reason: str = "") -> None:
        explanation = f" {reason}" if reason else ""
        super().__init__(
            f"The sending domain {domain} is not verified (status: {status}).{explanation} Correct its DNS records "
            "and verify it again, or choose another domain.",
            domain=domain,
            status=status,
        )


class SendingDomainInUse(Conflict):
    """Mailboxes would be left without their domain."""

    code = "sending_domain_in_use"

    def __init__(self, domain: str, mailbox_count: int) -> None:
        mailboxes = "1 mailbox is" if mailbox_count == 1 else f"{mailbox_count} mailboxes are"
        super().__init__(
            f"{mailboxes} on {domain}. Delete the identities of these addresses first.",
            domain=domain,
            mailbox_count=mailbox_count,
        )


class SendingDomainStateWrong(Conflict):
    """What was asked for is not possible in the domain's present state."""

    code = "sending_domain_state"

    def __init__(self, domain: str, status: str, remedy: str) -> None:
        super().__init__(f"{domain} has the status {status}. {remedy}", domain=domain, status=status)


class DefaultDomainUnavailable(Conflict):
    """Only a verified domain can be the default."""

    code = "default_domain_unavailable"

    def __init__(self, domain: str, status: str) -> None:
        super().__init__(
            f"{domain} is not verified (status: {status}), so it cannot be the default. Verify it first.",
            domain=domain,
            status=status,
        )


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


class SuppressedAddress(Protocol):
    """The part of a suppression that its refusal tells."""

    @property
    def organization_id(self) -> str | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def expires_at(self) -> datetime | None: ...


class RecipientSuppressed(Forbidden):
    """An address is on a suppression list; nothing was queued. (`recipient_blocked` is about contact rules.)"""

    code = "recipient_suppressed"

    def __init__(self, address: str, row: SuppressedAddress) -> None:
        is_own = row.organization_id is not None
        remedy = (
            "An administrator may remove it from the suppression list (/api/v1/mail/suppressions)."
            if is_own
            else "The operator of this server may remove it."
        )
        super().__init__(
            f"{address} is on the suppression list ({row.reason}). {remedy}",
            address=address,
            reason=row.reason,
            source=row.source,
            expires_at=row.expires_at.isoformat() if row.expires_at is not None else None,
        )


class SuppressionNotFound(NotFound):
    """No such suppression for this caller."""

    def __init__(self) -> None:
        super().__init__("Suppression not found")


class ExchangePaused(RateLimited):
    """Two agents answered each other too often; their exchange waits, or until a person lets it go on."""

    code = "exchange_paused"

    def __init__(self, reason: str, until: datetime, seconds: int) -> None:
        super().__init__(
            f"This exchange is paused. {reason} Wait {seconds} seconds, or ask a person to resume the thread.",
            retry_after=seconds,
            reason=reason,
            paused_until=until.isoformat(),
        )


class SendingPaused(Forbidden):
    """Too much of what the mailbox sent came back."""

    code = "sending_paused"

    def __init__(self, reason: str, paused_at: datetime) -> None:
        super().__init__(
            f"Sending from this mailbox is paused. {reason} Correct the addresses; a person of the organization can "
            "resume sending in the console, or with an admin key (POST .../resume-sending).",
            reason=reason,
            paused_at=paused_at.isoformat(),
        )


class AutomaticReplyRefused(Forbidden):
    """An automatic answer to an automatic message."""

    code = "automatic_reply_refused"

    def __init__(self) -> None:
        super().__init__(
            "The message is from a program or a mailing list, so it gets no automatic answer (RFC 3834). "
            "Leave auto_submitted out when a person or an agent decided to answer."
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


class SendNotFound(NotFound):
    """No accepted send under this key, sender and operation."""

    def __init__(self) -> None:
        super().__init__("No accepted send has this key. This does not prove that nothing was sent.")


class IdentityHasMailbox(Conflict):
    """One mailbox an identity."""

    def __init__(self) -> None:
        super().__init__("This identity already has a mailbox. Unlink or delete that one first.")


class MailboxLinkedElsewhere(Conflict):
    """The mailbox belongs to another identity."""

    def __init__(self) -> None:
        super().__init__("This mailbox is linked to another identity. Unlink it there first.")


class MailboxHasNoIdentity(Conflict):
    """What is asked for is kept on the identity."""

    def __init__(self, field: str) -> None:
        super().__init__(f"This mailbox has no identity, and {field} is kept there. Link it to an identity first.")
