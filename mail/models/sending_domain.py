"""Sending domains: names of their own that organizations have mail on (contract mail.md section 3)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.models import Organization
from mail.domain_states import RECEIVING, SENDING, DomainStatus

ID_PREFIX = "sending_domain_"


class SendingDomainQuerySet(models.QuerySet["SendingDomain"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """Everybody in the organization, agents included: they choose among its domains."""
        return self.filter(organization_id=principal.organization_id)


class SendingDomain(models.Model):
    """One organization's claim on a name. Several may claim it; the one that proved ownership holds it.

    The row is the queue of checks: due at `next_check_at`, leased until `checking_until`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="sending_domains")
    domain = models.CharField(max_length=253, help_text="Lower case; international names as A-labels.")
    status = models.CharField(
        max_length=24, default=DomainStatus.NOT_STARTED.value, choices=[(s.value, s.value) for s in DomainStatus]
    )
    status_before_deletion = models.CharField(max_length=24, blank=True, editable=False)
    is_default = models.BooleanField(default=False, help_text="New mailboxes get this domain unless they name one.")
    is_owned = models.BooleanField(default=False, help_text="Ownership was proven; nobody else can hold the name.")
    ownership_token = models.CharField(max_length=64)
    mail_from_subdomain = models.CharField(max_length=63)
    # What the last conclusive check found.
    is_receiving = models.BooleanField(default=False, help_text="The MX record points to this server.")
    has_return_path = models.BooleanField(default=False, help_text="Bounces come back over the return path.")
    failure_reason = models.TextField(blank=True)
    results = models.JSONField(default=dict, editable=False)
    failed_checks = models.PositiveIntegerField(default=0, editable=False)
    next_check_at = models.DateTimeField(default=now)
    checking_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    window_ends_at = models.DateTimeField()
    rotation_ends_at = models.DateTimeField(null=True, blank=True)
    # When the row goes: a day after a deletion request, a week after a failure.
    purge_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SendingDomainQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["domain"], condition=Q(is_owned=True), name="sending_domain_one_owner"),
            models.UniqueConstraint(
                fields=["organization", "domain"],
                condition=~Q(status=DomainStatus.FAILED.value),
                name="sending_domain_once_each",
            ),
            models.UniqueConstraint(
                fields=["organization"], condition=Q(is_default=True), name="sending_domain_one_default"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in DomainStatus]), name="sending_domain_status_known"
            ),
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["next_check_at"], name="sending_domain_next_check")]

    def __str__(self) -> str:
        return self.domain

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return f"{ID_PREFIX}{self.pk}"

    @property
    def state(self) -> DomainStatus:
        return DomainStatus(self.status)

    @property
    def is_sending(self) -> bool:
        """Mail of its mailboxes goes out."""
        return self.state in SENDING

    @property
    def is_accepting(self) -> bool:
        """Its mailboxes receive mail."""
        return self.is_owned and self.verified_at is not None and self.state in RECEIVING
