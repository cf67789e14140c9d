"""Reads of held mail. Every one starts from the principal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max

from common.principal import Principal
from mail.approval_errors import ApprovalNotFound
from mail.approvals import ApprovalState
from mail.models import Approval, Mailbox
from mail.models.approval import ApprovalQuerySet

WAITING_SHOWN = 100


@dataclass(frozen=True, slots=True)
class WaitingMark:
    """How many messages wait, and since when the newest of them does. Whatever is held or decided changes one of the
    two: what is held later is newer, and a decision leaves fewer.
    """

    count: int
    newest_at: datetime | None

    def __str__(self) -> str:
        return f"{self.count}-{self.newest_at.timestamp():.6f}" if self.newest_at is not None else "0"


def _rows(principal: Principal) -> ApprovalQuerySet:
    return Approval.objects.visible_to(principal)


def list_waiting(principal: Principal, limit: int = WAITING_SHOWN, offset: int = 0) -> list[Approval]:
    """What waits for a decision, longest first. One query."""
    rows = _rows(principal).waiting().select_related("message", "mailbox", "mailbox__identity")
    return list(rows.order_by("requested_at", "pk")[offset : offset + limit])


def list_decided(principal: Principal, limit: int, offset: int = 0) -> list[Approval]:
    """What was decided last. One query."""
    rows = _rows(principal).filter(decided_at__isnull=False).select_related("message", "mailbox", "mailbox__identity")
    return list(rows.order_by("-decided_at", "-pk")[offset : offset + limit])


def count_waiting(principal: Principal) -> int:
    """How many wait. One query."""
    return _rows(principal).waiting().count()


def mark_waiting(organization_id: str) -> WaitingMark:
    """What waits in an organization. One query."""
    rows = Approval.objects.of_organization(organization_id).waiting()
    return WaitingMark(**rows.aggregate(count=Count("pk"), newest_at=Max("requested_at")))


def count_held(principal: Principal, mailbox: Mailbox) -> int:
    """How many messages of one mailbox wait. One query."""
    return _rows(principal).waiting().filter(mailbox=mailbox).count()


def is_withdrawn(principal: Principal, message_id: UUID) -> bool:
    """Whether a message that was held is gone, because it was deleted before anybody decided. One query."""
    rows = Approval.objects.filter(mailbox__in=Mailbox.objects.visible_to(principal), pk=message_id)
    return rows.filter(message__approval_state=ApprovalState.WITHDRAWN.value).exists()


def get_approval(principal: Principal, message_id: UUID) -> Approval:
    """One held message, decided or not, with its content. Raises ApprovalNotFound."""
    rows = _rows(principal).select_related("message__content", "message__thread", "mailbox__identity")
    row = rows.filter(pk=message_id).first()
    if row is None:
        raise ApprovalNotFound
    return row
