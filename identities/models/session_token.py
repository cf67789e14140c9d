"""Bearer tokens of people: what makes one that was handed out invalid before its time is over."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import F

from common.clock import now
from common.ids import uuid7
from identities.models.organization import Membership


class SessionTokenQuerySet(models.QuerySet["SessionToken"]):
    """Reads."""

    def alive(self) -> Self:
        """Those that are accepted now."""
        return self.filter(expires_at__gt=now(), user__is_active=True, user__token_epoch=F("epoch"))


class SessionToken(models.Model):
    """One token; its id is the `jti` of the JWT, which itself is stored nowhere.

    A token ends with its row, and the row ends with what the token stands on: the console session that it was traded
    for, the membership in its organization, the person.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="session_tokens")
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, null=True, blank=True, related_name="session_tokens"
    )
    console_session = models.ForeignKey(
        Session, on_delete=models.CASCADE, null=True, blank=True, editable=False, related_name="+"
    )
    epoch = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField()

    objects = SessionTokenQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-pk"]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["expires_at"], name="session_token_expiry")]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def organization_id(self) -> str | None:
        """Where it counts; None for a person without an organization."""
        return self.membership.organization_id if self.membership is not None else None
