"""Organizations and who belongs to them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from common.clock import now
from common.ids import new_id
from common.principal import Profile
from identities.enums import Role


def new_organization_id() -> str:
    """`org_<hex>`."""
    return new_id("org")


class Organization(models.Model):
    """The tenant: everything belongs to exactly one."""

    id = models.CharField(primary_key=True, max_length=64, default=new_organization_id, editable=False)
    name = models.CharField(max_length=255)
    compat_profile = models.CharField(
        max_length=16,
        default=Profile.MODERN.value,
        choices=[(p.value, p.value) for p in Profile],
        help_text="Which client generation unannounced callers follow.",
    )
    is_provisional = models.BooleanField(default=False, help_text="Made by an agent that signed itself up.")
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspension_reason = models.CharField(max_length=500, blank=True, default="", db_default="", editable=False)
    # What the operator set for this organization; null means the server's own limit (identities/allowances.py).
    max_agents = models.PositiveIntegerField(
        "agents", null=True, blank=True, help_text="Agents at a time. Empty: no limit."
    )
    max_claimed_sends = models.PositiveIntegerField(
        "sends of a claimed agent",
        null=True,
        blank=True,
        help_text="Recipients in 24 hours. Empty: INKBOX_CLAIMED_SENDS_PER_DAY. 0: no limit.",
    )
    max_unclaimed_sends = models.PositiveIntegerField(
        "sends of an unclaimed agent",
        null=True,
        blank=True,
        help_text="Recipients in 24 hours. Empty: INKBOX_UNCLAIMED_SENDS_PER_DAY. 0: no limit.",
    )
    max_key_requests = models.PositiveIntegerField(
        "requests of a key",
        null=True,
        blank=True,
        help_text="In a minute. Empty: INKBOX_RATE_LIMIT_KEY_PER_MINUTE. 0: no limit.",
    )
    max_sending_domains = models.PositiveIntegerField("sending domains", null=True, blank=True, help_text="Empty: 100.")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None


class Membership(models.Model):
    """A person in an organization."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=[(r.value, r.value) for r in Role], default=Role.MEMBER.value)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["user", "organization"], name="membership_unique"),
            models.CheckConstraint(condition=models.Q(role__in=[r.value for r in Role]), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organization_id}"
