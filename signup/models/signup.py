"""Signups of agents."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from identities.models import AgentIdentity, User
from signup.enums import DecidedBy, SignupState


class SignupQuerySet(models.QuerySet["Signup"]):
    """Reads."""

    def pending(self) -> Self:
        """Those nobody has decided about."""
        return self.filter(state=SignupState.PENDING, identity__deleted_at__isnull=True)

    def waiting_for(self, user: User) -> Self:
        """Pending ones that named this person, by an address that was proven to be theirs."""
        if user.email_verified_at is None:
            return self.none()
        return self.pending().filter(human_email=user.email.lower())


class Signup(models.Model):
    """One agent that signed itself up. The row outlives a rejection, so that its key can ask what became of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Gone after a rejection.
    identity = models.OneToOneField(AgentIdentity, on_delete=models.SET_NULL, null=True, related_name="signup")
    key_id = models.CharField(max_length=48, unique=True)
    # Only of a rejected key, which exists nowhere else any more.
    key_hash = models.BinaryField(max_length=32, null=True, editable=False)
    human_email = models.CharField(max_length=254, help_text="Lower case.")
    note_to_human = models.TextField(blank=True)
    harness = models.CharField(max_length=64, blank=True)
    state = models.CharField(
        max_length=16, default=SignupState.PENDING.value, choices=[(s.value, s.value) for s in SignupState]
    )
    code_hash = models.BinaryField(max_length=32, null=True, editable=False)
    code_sent_at = models.DateTimeField(default=now)
    wrong_codes = models.PositiveSmallIntegerField(default=0)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=16, blank=True, choices=[(d.value, d.value) for d in DecidedBy])
    decided_by_user_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = SignupQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["human_email", "-created_at"], condition=Q(state="pending"), name="signup_pending")
        ]

    def __str__(self) -> str:
        return str(self.id)
