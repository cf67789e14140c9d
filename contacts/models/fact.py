"""What is known of a contact: facts, and what they rest on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from contacts import limits
from contacts.enums import FactKind, FactOrigin
from contacts.models.contact import Contact


class ContactFactQuerySet(models.QuerySet["ContactFact"]):
    """Reads."""

    def active(self, at: datetime) -> Self:
        """Without generated context that has expired. Locked facts, and those of people, never do."""
        return self.exclude(
            origin=FactOrigin.GENERATED.value, kind=FactKind.CONTEXT.value, locked_at__isnull=True, expires_at__lte=at
        )


class ContactFact(models.Model):
    """One sentence that is known of a contact; agents read it as a memory."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="facts", db_index=False)
    content = models.CharField(max_length=limits.FACT_MAX_CHARS)
    kind = models.CharField(max_length=12, choices=[(k.value, k.value) for k in FactKind])
    origin = models.CharField(max_length=12, choices=[(o.value, o.value) for o in FactOrigin])
    confidence = models.DecimalField(max_digits=4, decimal_places=3, null=True, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContactFactQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(origin=FactOrigin.GENERATED.value) | Q(expires_at=None), name="contact_fact_of_people_stays"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["contact", "-updated_at", "-id"], name="contact_fact_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.contact_id}"


class ContactFactCitation(models.Model):
    """What a fact rests on: a message or call, and the place in it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fact = models.ForeignKey(ContactFact, on_delete=models.CASCADE, related_name="citations")
    source_type = models.CharField(max_length=16)
    source_id = models.UUIDField()
    source_locator = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    def __str__(self) -> str:
        return f"{self.source_type} {self.source_id}"
