"""Contact rules: exceptions to the filter modes of an identity."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.scoped import IdentityRows
from contacts.enums import MatchType, RuleAction, RuleChannel, RuleDirection, RuleStatus
from identities.models import AgentIdentity, Organization

_MAIL_MATCHES = [MatchType.EXACT_EMAIL.value, MatchType.DOMAIN.value]
_PHONE_MATCHES = [MatchType.EXACT_NUMBER.value]


class ContactRuleQuerySet(IdentityRows["ContactRule"]):
    """Reads."""


class ContactRule(models.Model):
    """One address, number or domain that an identity allows or blocks."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="contact_rules")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, related_name="contact_rules")
    channel = models.CharField(max_length=8, choices=[(c.value, c.value) for c in RuleChannel])
    action = models.CharField(max_length=8, choices=[(a.value, a.value) for a in RuleAction])
    match_type = models.CharField(max_length=16, choices=[(m.value, m.value) for m in MatchType])
    match_target = models.CharField(max_length=254, help_text="Address, number or bare domain, in lower case.")
    direction = models.CharField(
        max_length=8, choices=[(d.value, d.value) for d in RuleDirection], default=RuleDirection.BOTH.value
    )
    status = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in RuleStatus], default=RuleStatus.ACTIVE.value
    )
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContactRuleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            # One rule covers a side of a target. A paused one still occupies its slot: no condition on the status.
            models.UniqueConstraint(
                fields=["identity", "channel", "match_type", "match_target"],
                condition=Q(direction__in=[RuleDirection.INBOUND.value, RuleDirection.BOTH.value]),
                name="contact_rule_one_inbound",
            ),
            models.UniqueConstraint(
                fields=["identity", "channel", "match_type", "match_target"],
                condition=Q(direction__in=[RuleDirection.OUTBOUND.value, RuleDirection.BOTH.value]),
                name="contact_rule_one_outbound",
            ),
            models.CheckConstraint(
                condition=Q(channel=RuleChannel.MAIL.value, match_type__in=_MAIL_MATCHES)
                | Q(channel=RuleChannel.PHONE.value, match_type__in=_PHONE_MATCHES),
                name="contact_rule_match_fits_channel",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "channel", "-created_at"], name="contact_rule_newest"),
            models.Index(fields=["identity", "channel", "match_target"], name="contact_rule_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.match_target}"
