"""Agent identities: the handle that everything else hangs on."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.enums import ClaimStatus, FilterMode, IdentityStatus
from identities.models.organization import Organization


def _mode() -> models.CharField[str, str]:
    return models.CharField(
        max_length=16, default=FilterMode.BLACKLIST.value, choices=[(m.value, m.value) for m in FilterMode]
    )


class AgentIdentityQuerySet(models.QuerySet["AgentIdentity"]):
    """Reads."""

    def alive(self) -> Self:
        """Without deleted ones."""
        return self.filter(deleted_at__isnull=True)

    def visible_to(self, principal: Principal) -> Self:
        """Admin keys and members see the whole organization, an agent key itself."""
        rows = self.alive().filter(organization_id=principal.organization_id)
        if principal.sees_organization:
            return rows
        return rows.filter(pk=principal.identity_id) if principal.is_agent else rows.none()


class AgentIdentity(models.Model):
    """One agent. Deleted rows stay (their mail does too) but nothing reads them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="identities")
    agent_handle = models.CharField(max_length=255)
    display_name = models.CharField(max_length=255, null=True, blank=True)
    description = models.TextField(null=True, blank=True)
    status = models.CharField(
        max_length=16, default=IdentityStatus.ACTIVE.value, choices=[(s.value, s.value) for s in IdentityStatus]
    )
    claim_status = models.CharField(
        max_length=24, default=ClaimStatus.CLAIMED.value, choices=[(s.value, s.value) for s in ClaimStatus]
    )
    human_email = models.EmailField(max_length=254, null=True, blank=True)
    imessage_enabled = models.BooleanField(default=False)
    contact_sharing_enabled = models.BooleanField(default=True)
    slack_enabled = models.BooleanField(default=False)

    # The shared mode is a baseline of its own: it keeps its last shared value while the directions differ.
    mail_filter_mode = _mode()
    mail_inbound_filter_mode = _mode()
    mail_outbound_filter_mode = _mode()
    phone_filter_mode = _mode()
    phone_inbound_filter_mode = _mode()
    phone_outbound_filter_mode = _mode()
    slack_filter_mode = _mode()
    slack_inbound_filter_mode = _mode()
    slack_outbound_filter_mode = _mode()

    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AgentIdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "agent identities"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["organization", "agent_handle"],
                condition=Q(deleted_at__isnull=True),
                name="identity_handle_unique_in_organization",
            )
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "-created_at"], name="identity_organization_newest")
        ]

    def __str__(self) -> str:
        return f"@{self.agent_handle}"

    @property
    def sender_name(self) -> str:
        """The display name of outgoing mail."""
        return self.display_name or self.agent_handle

    @property
    def is_paused(self) -> bool:
        return self.status == IdentityStatus.PAUSED
