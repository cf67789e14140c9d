"""Messages that a person has to approve before they are sent (mail/approvals.py has the states)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.principal import Principal
from mail.models.mailbox import Mailbox
from mail.models.message import Message


class ApprovalQuerySet(models.QuerySet["Approval"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """Of visible mailboxes and messages that exist."""
        boxes = Mailbox.objects.visible_to(principal)
        return self.filter(mailbox__in=boxes, message__deleted_at__isnull=True)

    def of_organization(self, organization_id: str) -> Self:
        """What people of it see."""
        boxes = Mailbox.objects.alive().filter(organization_id=organization_id)
        return self.filter(mailbox__in=boxes, message__deleted_at__isnull=True)

    def waiting(self) -> Self:
        """Nobody has decided yet. The state itself is on the message, where every reader needs it."""
        return self.filter(decided_at__isnull=True)


class Approval(models.Model):
    """One message that is or was held."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="approval")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    requested_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    # The user, empty for a program or the server; the audit log says more.
    decided_by_id = models.CharField(max_length=64, blank=True)
    is_edited = models.BooleanField(default=False)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["mailbox", "requested_at"], condition=Q(decided_at__isnull=True), name="approval_waiting"
            ),
            models.Index(fields=["expires_at"], condition=Q(decided_at__isnull=True), name="approval_expiring"),
        ]

    def __str__(self) -> str:
        return str(self.message_id)
