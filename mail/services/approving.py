"""Hold what an agent sends until a person approves, and carry out the decision.

Holding happens in the transaction that accepts the message (mail/services/queueing.py): it is stored, counted against
quotas and shown like any other, but has no job, so nothing sends it. A decision locks the mailbox, as sending does.
Neither is an event: pages that show what waits are woken without one.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.clock import now
from common.nudge import nudge
from common.principal import Principal, Scope
from identities.enums import AuditAction
from identities.services.audit import Detail, Target, record_audit
from mail.approval_errors import ApprovalDecided, ApprovalForManagers, ApprovalNotFound
from mail.approval_selectors import get_approval
from mail.approvals import ApprovalEvent, ApprovalState, next_state
from mail.domain_selectors import domain_for_sending
from mail.enums import RecipientState
from mail.models import Approval, Mailbox, Message, OutboundJob, OutboundRecipient, Thread
from mail.services.held_edits import Edits, apply_edits, rebuild_message
from mail.services.permissions import check_permission
from mail.services.settling import Settlement, settle_recipients
from mail.services.suppressions import refuse_suppressed
from webhooks.wakeups import wake_organization

TRANSPORT = "approval"
_SWEEP = 100
_NOBODY_DECIDED = "Nobody decided in time."


def needs_approval(principal: Principal, mailbox: Mailbox) -> bool:
    """Whether a message is held: everything but what owners and admins send themselves, where approval is required.

    An admin key is a program, and its messages are held as those of agents are.
    """
    is_person = principal.scope is Scope.SESSION and principal.manages_organization
    return mailbox.approval_required and not is_person


def hold_message(message: Message) -> None:
    """Instead of a job, in the transaction that accepts the message."""
    expires_at = message.created_at + timedelta(hours=settings.APPROVAL_HOURS)
    Approval.objects.create(
        message=message, mailbox_id=message.mailbox_id, requested_at=message.created_at, expires_at=expires_at
    )
    wake_organization(message.mailbox.organization_id)


def approve_message(principal: Principal, message_id: UUID, edits: Edits | None = None) -> Message:
    """Send a held message, edited or as it is. Approving again what is approved does nothing.

    Rules, suppressions, the identity's status and the domain are looked at again, as they are now; what they refuse
    stays held. Raises ApprovalForManagers 403, ApprovalNotFound 404, ApprovalDecided 409, what a send raises.
    """
    row = _decidable(principal, message_id)
    prepared = rebuild_message(row.message, row.mailbox, edits) if edits is not None else None
    with transaction.atomic():
        message, state = _advance(principal, row, ApprovalEvent.APPROVE)
        if message.approval_state == state:
            if prepared is not None:
                raise ApprovalDecided(state)  # the edit came too late to have an effect
            return message
        mailbox = message.mailbox
        if prepared is not None:
            addresses = [address for _, address in prepared.recipients]
        else:
            addresses = list(message.recipients.order_by("pk").values_list("address", flat=True))
        domain_for_sending(mailbox.organization_id, mailbox.sending_domain)
        check_permission(mailbox, addresses)
        refuse_suppressed(mailbox.organization_id, addresses)
        if prepared is not None:
            apply_edits(message, prepared)
        _decide(message, state, by=principal, is_edited=prepared is not None)
        OutboundJob.objects.create(message=message)
        nudge("mail.send_message", message.pk)
        details: dict[str, Detail] = {"edited": prepared is not None, "recipients": len(addresses)}
        _record(message, AuditAction.MESSAGE_APPROVED, details)
    return message


def reject_message(principal: Principal, message_id: UUID, reason: str = "") -> Message:
    """Do not send a held message: it has failed, its agent reads why. Rejecting again what is rejected does nothing.

    Raises ApprovalForManagers 403, ApprovalNotFound 404, ApprovalDecided 409.
    """
    row = _decidable(principal, message_id)
    with transaction.atomic():
        message, state = _advance(principal, row, ApprovalEvent.REJECT)
        if message.approval_state == state:
            return message
        _fail(message, state, reason.strip() or None, by=principal)
        _record(message, AuditAction.MESSAGE_REJECTED, {"has_reason": bool(reason.strip())})
    return message


def expire_approvals() -> int:
    """Fail what nobody decided in time; returns how many. Safe to run at any time, any number of times."""
    due = Approval.objects.waiting().filter(expires_at__lte=now()).order_by("expires_at")
    expired = 0
    for pk, mailbox_id in list(due.values_list("pk", "mailbox_id")[:_SWEEP]):
        with transaction.atomic():
            mailbox = Mailbox.objects.select_for_update(of=("self",)).filter(pk=mailbox_id).first()
            message = Message.objects.filter(pk=pk, approval_state=ApprovalState.PENDING.value).first()
            if mailbox is None or message is None:
                continue
            if message.deleted_at is not None or mailbox.deleted_at is not None:
                _decide(message, ApprovalState.WITHDRAWN)
                continue
            _fail(message, ApprovalState.EXPIRED, _NOBODY_DECIDED)
            expired += 1
    return expired


def withdraw_message(message: Message) -> None:
    """The message is being deleted, inside the caller's transaction and under the lock of its mailbox."""
    # What was decided when the caller read the row is decided still; what waited then, somebody may have decided since.
    if message.approval_state == ApprovalState.PENDING:
        row = Message.objects.filter(pk=message.pk, approval_state=ApprovalState.PENDING.value).first()
        if row is not None:
            _decide(row, ApprovalState.WITHDRAWN)


def withdraw_thread(thread: Thread) -> None:
    """As `withdraw_message`, for all messages of a thread."""
    waiting = Approval.objects.waiting().filter(mailbox_id=thread.mailbox_id, message__thread=thread)
    for row in waiting.select_related("message"):
        _decide(row.message, ApprovalState.WITHDRAWN)


def _decidable(principal: Principal, message_id: UUID) -> Approval:
    row = get_approval(principal, message_id)
    if not principal.manages_organization:
        raise ApprovalForManagers
    return row


def _advance(principal: Principal, row: Approval, event: ApprovalEvent) -> tuple[Message, ApprovalState]:
    """The message as it is now, its mailbox locked, and the state that the event leads to."""
    boxes = Mailbox.objects.visible_to(principal).select_for_update(of=("self",)).select_related("identity")
    mailbox = boxes.filter(pk=row.mailbox_id).first()
    message = Message.objects.alive().filter(pk=row.pk).first()
    if mailbox is None or message is None or message.approval_state is None:
        raise ApprovalNotFound
    message.mailbox = mailbox
    current = ApprovalState(message.approval_state)
    state = next_state(current, event)
    if state is None:
        raise ApprovalDecided(current)
    if event is ApprovalEvent.APPROVE and current is ApprovalState.PENDING and row.expires_at <= now():
        raise ApprovalDecided(ApprovalState.EXPIRED)  # the sweep is on its way
    return message, state


def _decide(
    message: Message,
    state: ApprovalState,
    reason: str | None = None,
    *,
    by: Principal | None = None,
    is_edited: bool = False,
) -> None:
    moment = now()
    message.approval_state, message.approval_reason, message.updated_at = state.value, reason, moment
    message.save(update_fields=["approval_state", "approval_reason", "updated_at"])
    Approval.objects.filter(pk=message.pk).update(
        decided_at=moment, decided_by_id=(by.user_id or "") if by is not None else "", is_edited=is_edited
    )
    wake_organization(message.mailbox.organization_id)


def _fail(message: Message, state: ApprovalState, reason: str | None, *, by: Principal | None = None) -> None:
    _decide(message, state, reason, by=by)
    failed = Settlement(RecipientState.FAILED, TRANSPORT, f"Not approved. {reason or ''}".strip())
    addresses = OutboundRecipient.objects.filter(message=message).values_list("address", flat=True)
    settle_recipients(message.pk, dict.fromkeys(addresses, failed))
    message.refresh_from_db(fields=["status", "updated_at"])


def _record(message: Message, action: AuditAction, details: dict[str, Detail]) -> None:
    mailbox = message.mailbox
    record_audit(mailbox.organization_id, action, Target(message.pk, f"Mail of {mailbox.email_address}"), details)
