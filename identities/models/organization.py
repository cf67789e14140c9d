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
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return self.name


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
