"""Invitations of people into organizations, by mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.enums import Role
from identities.models.organization import Organization


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Reads."""

    def open(self) -> Self:
        """Neither accepted nor revoked; they may have expired."""
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True)

    def visible_to(self, principal: Principal) -> Self:
        """Those of the organization, for admin keys and members."""
        rows = self.filter(organization_id=principal.organization_id)
        return rows if principal.sees_organization else rows.none()


class Invitation(models.Model):
    """An address that may join. Of the link only a hash is kept; inviting again replaces it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    # In lower case.
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=[(r.value, r.value) for r in Role], default=Role.MEMBER.value)
    token_hash = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)
    sent_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_open_once",
            ),
            models.CheckConstraint(condition=Q(role__in=[r.value for r in Role]), name="invitation_role_known"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def is_expired(self, moment: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at <= moment
