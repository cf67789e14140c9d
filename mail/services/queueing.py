"""Queue outgoing mail: everything that may refuse a send happens here, in the transaction that accepts it.

Every kind of send comes through `queue_message`, with what mail/services/composing.py prepared.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from common.clock import now
from common.ids import uuid7
from common.nudge import nudge
from common.principal import Principal
from mail.approvals import ApprovalState
from mail.domain_selectors import domain_for_sending
from mail.enums import Direction, Folder, MessageStatus, RecipientKind
from mail.errors import MailboxNotFound
from mail.models import Mailbox, Message, MessageContent, OutboundJob, OutboundRecipient, Thread
from mail.services.approving import hold_message, needs_approval
from mail.services.attachments import attachment_rows, has_attachments
from mail.services.composing import PreparedMessage
from mail.services.correspondents import note_correspondents
from mail.services.exchanges import count_exchange
from mail.services.indexing import request_indexing
from mail.services.permissions import check_permission
from mail.services.quotas import count_sends
from mail.services.storage import check_storage
from mail.services.suppressions import refuse_suppressed


def queue_message(principal: Principal, mailbox: Mailbox, prepared: PreparedMessage) -> Message:
    """Accept a prepared message for sending, inside the caller's transaction; a worker sends it after commit, or after
    a person has approved it where the mailbox needs that.

    Order of refusals as in contract mail.md 4.12: RecipientBlocked or UnclaimedRecipient 403, RecipientSuppressed
    403, RateLimited 429, StorageLimitExceeded 402, ExchangePaused 429. Raises IdentityPaused 403,
    SendingDomainNotVerified 409.
    """
    rows = Mailbox.objects.visible_to(principal).select_for_update(of=("self",)).select_related("identity")
    locked = rows.filter(pk=mailbox.pk).first()
    if locked is None:
        raise MailboxNotFound
    mailbox, content = locked, prepared.content
    domain_for_sending(mailbox.organization_id, mailbox.sending_domain)
    addresses = [address for _, address in prepared.recipients]
    check_permission(mailbox, addresses)
    refuse_suppressed(mailbox.organization_id, addresses)
    if mailbox.identity is not None:
        count_sends(mailbox.identity, len(prepared.recipients))
    check_storage(mailbox, prepared.size_bytes)
    # Under the lock, so that a mailbox lists its messages in the order of acceptance.
    moment = now()
    thread = _thread(mailbox, prepared, moment)
    is_held = needs_approval(principal, mailbox)
    message = _message(mailbox, thread, prepared, moment)
    message.approval_state = ApprovalState.PENDING.value if is_held else None
    message.save(force_insert=True)
    MessageContent.objects.create(
        message=message,
        body_text=content.body_text,
        body_html=content.body_html,
        raw_inline=prepared.stored.raw_inline,
        raw_key=prepared.stored.raw_key,
    )
    note_correspondents([message])
    request_indexing([message])
    OutboundRecipient.objects.bulk_create(
        OutboundRecipient(message=message, address=address, kind=kind.value) for kind, address in prepared.recipients
    )
    Mailbox.objects.filter(pk=mailbox.pk).update(storage_used_bytes=F("storage_used_bytes") + prepared.size_bytes)
    count_exchange(message, addresses)
    if is_held:
        hold_message(message)
    else:
        OutboundJob.objects.create(message=message)
        nudge("mail.send_message", message.pk)
    return message


def _message(mailbox: Mailbox, thread: Thread, prepared: PreparedMessage, moment: datetime) -> Message:
    """The row; not saved."""
    content = prepared.content
    return Message(
        id=uuid7(),
        mailbox=mailbox,
        thread=thread,
        is_blocked=thread.folder == Folder.BLOCKED,
        direction=Direction.OUTBOUND.value,
        status=MessageStatus.QUEUED.value,
        message_id=prepared.message_id,
        in_reply_to=content.link.in_reply_to,
        references=list(content.link.references) or None,
        from_address=mailbox.email_address,
        from_display_name=prepared.parsed.from_display_name,
        reply_to=[content.reply_to] if content.reply_to else None,
        to_addresses=prepared.addresses_of(RecipientKind.TO),
        cc_addresses=prepared.addresses_of(RecipientKind.CC) or None,
        bcc_addresses=prepared.addresses_of(RecipientKind.BCC) or None,
        subject=content.subject,
        snippet=prepared.parsed.snippet,
        is_read=True,
        is_forward=content.is_forward,
        is_automatic=content.auto_submitted is not None,
        tracks_opens=content.tracks_opens,
        has_attachments=has_attachments(prepared.parsed),
        attachment_metadata=attachment_rows(prepared.parsed),
        size_bytes=prepared.size_bytes,
        created_at=moment,
        updated_at=moment,
    )


def _thread(mailbox: Mailbox, prepared: PreparedMessage, moment: datetime) -> Thread:
    """The thread of the answered message, counted up; a new one when there is none, or not any more."""
    wanted = prepared.content.link.thread
    if wanted is not None:
        alive = Thread.objects.filter(pk=wanted.pk, deleted_at__isnull=True)
        if alive.update(message_count=F("message_count") + 1, last_message_at=moment):
            return wanted
    return Thread.objects.create(
        mailbox=mailbox,
        subject=prepared.content.subject or None,
        folder=Folder.INBOX.value,
        message_count=1,
        last_message_at=moment,
        created_at=moment,
    )
