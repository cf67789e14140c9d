"""The brake on bounces: a mailbox whose mail comes back too often sends nothing more until a person has looked.

Receivers judge a whole server by what bounces from it, so one agent with a bad list harms every other one.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Count, Q
from django.template.loader import render_to_string

from common.clock import now
from common.errors import Forbidden
from common.nudge import nudge
from common.principal import Principal
from identities.enums import AuditAction, Role
from identities.models import Membership
from mail import limits
from mail.brakes import BounceBudget, bounces_too_much
from mail.enums import Direction, RecipientState
from mail.errors import MailboxNotFound
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient
from mail.services.mailboxes import record_mailbox

log = structlog.get_logger(__name__)

_SETTLED = (RecipientState.SENT.value, RecipientState.DELIVERED.value, RecipientState.BOUNCED.value)


def bounce_budget() -> BounceBudget:
    """What this installation tolerates."""
    return BounceBudget(settings.BOUNCE_PAUSE_PERCENT, limits.BOUNCES_AT_LEAST)


def check_bounces(mailbox_id: UUID) -> bool:
    """Pause the mailbox when too much of what it lately sent came back; returns whether it is paused by this call.

    Two queries over at most limits.BOUNCE_SAMPLE_MESSAGES messages. Owners and admins get one mail about it, the
    audit log a row. Safe to call at any time, any number of times.
    """
    with transaction.atomic():
        mailbox = (
            Mailbox.objects.alive()
            .select_for_update(of=("self",))
            .select_related("organization", "identity")
            .filter(pk=mailbox_id, sending_paused_at__isnull=True)
            .first()
        )
        if mailbox is None:
            return False
        bounced, settled = _record(mailbox)
        budget = bounce_budget()
        if not bounces_too_much(bounced, settled, budget):
            return False
        mailbox.sending_paused_at = now()
        mailbox.sending_paused_reason = budget.describe(bounced, settled)
        mailbox.save(update_fields=["sending_paused_at", "sending_paused_reason"])
        _tell_managers(mailbox)
        record_mailbox(mailbox, AuditAction.SENDING_PAUSED)
    log.warning("mail.sending_paused", mailbox=str(mailbox_id), bounced=bounced, settled=settled)
    return True


def resume_sending(principal: Principal, mailbox: Mailbox) -> Mailbox:
    """Let a paused mailbox send again, with a clean record; held mail goes out at once. A mailbox that is not paused
    stays as it is.

    For people who manage and admin keys; raises Forbidden, MailboxNotFound.
    """
    if not principal.manages_organization:
        raise Forbidden("Only an admin key, an owner or an admin may resume sending.")
    with transaction.atomic():
        rows = Mailbox.objects.visible_to(principal).select_for_update(of=("self",)).select_related("identity")
        row = rows.filter(pk=mailbox.pk).first()
        if row is None:
            raise MailboxNotFound
        if row.sending_paused_at is None:
            return row
        row.sending_paused_at = row.sending_paused_reason = None
        row.sending_resumed_at = now()
        row.save(update_fields=["sending_paused_at", "sending_paused_reason", "sending_resumed_at"])
        held = OutboundJob.objects.filter(
            message__mailbox_id=row.pk, is_open=True, is_relaying=True, leased_until__isnull=True
        )
        held.update(due_at=now())
        nudge("mail.sweep_outbound")
        record_mailbox(row, AuditAction.SENDING_RESUMED)
    return row


def _record(mailbox: Mailbox) -> tuple[int, int]:
    """How many addresses bounced, and how many are settled, of the newest messages within the window."""
    since = now() - limits.BOUNCE_WINDOW
    if mailbox.sending_resumed_at is not None:
        since = max(since, mailbox.sending_resumed_at)
    sent = Message.objects.filter(mailbox=mailbox, direction=Direction.OUTBOUND, created_at__gt=since)
    newest = list(sent.order_by("-created_at").values_list("pk", flat=True)[: limits.BOUNCE_SAMPLE_MESSAGES])
    counted = OutboundRecipient.objects.filter(message_id__in=newest).aggregate(
        bounced=Count("pk", filter=Q(state=RecipientState.BOUNCED.value)),
        settled=Count("pk", filter=Q(state__in=_SETTLED)),
    )
    return counted["bounced"], counted["settled"]


def _tell_managers(mailbox: Mailbox) -> None:
    """One mail to each owner and admin, queued with the pause."""
    rows = Membership.objects.filter(
        organization_id=mailbox.organization_id, role__in=(Role.OWNER.value, Role.ADMIN.value), user__is_active=True
    )
    handle = mailbox.identity.agent_handle if mailbox.identity is not None else None
    context = {
        "address": mailbox.email_address,
        "reason": mailbox.sending_paused_reason,
        "link": f"{settings.PUBLIC_URL}/console/agents/{handle}/about" if handle else f"{settings.PUBLIC_URL}/console/",
    }
    body = render_to_string("mail/email/sending_paused.txt", context).strip() + "\n"
    for address in rows.order_by("pk").values_list("user__email", flat=True):
        EmailMessage(
            subject=f"Sending from {mailbox.email_address} is paused",
            body=body,
            to=[address],
            headers={"Auto-Submitted": "auto-generated"},
        ).send()
