"""Mailboxes."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from common.scoped import IdentityRows
from identities.models import AgentIdentity, Organization


class MailboxQuerySet(IdentityRows["Mailbox"]):
    """Reads."""

    def alive(self) -> Self:
        """Without deleted ones."""
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, principal: Principal) -> Self:
        """Those that are not deleted."""
        return super().visible_to(principal).alive()


class Mailbox(models.Model):
    """An address that receives mail. Its filter modes and display name are those of its identity."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="mailboxes")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    email_address = models.CharField(max_length=254, help_text="Lower case; never changes.")
    storage_used_bytes = models.BigIntegerField(default=0)
    storage_limit_bytes = models.BigIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    signature_html = models.TextField(null=True, blank=True)
    signature_text = models.TextField(null=True, blank=True)
    signature_enabled = models.BooleanField(default=False)
    approval_required = models.BooleanField(
        default=False, db_default=False, help_text="What the agent sends waits for the approval of a person."
    )
    # Set by the bounce brake (mail/services/bounce_brake.py): nothing more goes out until a person says so.
    sending_paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    sending_paused_reason = models.TextField(null=True, blank=True, editable=False)
    # What bounced before does not count again.
    sending_resumed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Made with its identity, without anybody asking for it in particular, and not configured since: clients until 0.3.1
    # create a mailbox next, which then takes the place of this one while it is empty.
    is_untouched = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MailboxQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "mailboxes"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["email_address"], condition=Q(deleted_at__isnull=True), name="mailbox_address_unique"
            ),
            models.UniqueConstraint(
                fields=["identity"], condition=Q(deleted_at__isnull=True), name="mailbox_one_per_identity"
            ),
        ]

    def __str__(self) -> str:
        return self.email_address

    @property
    def sending_domain(self) -> str:
        return self.email_address.rpartition("@")[2]
