"""The event log: what happened, in order, with the exact text that receivers get."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from common.clock import now
from common.ids import uuid7
from identities.models import AgentIdentity, Organization


def new_event_id() -> str:
    """`evt_<uuid>`."""
    return f"evt_{uuid7()}"


class EventStream(models.Model):
    """The counter of one stream: an identity, or a mailbox or number that has none.

    A transaction that records events advances it first. On PostgreSQL the row lock this takes is held to the end, so
    numbers of one stream become visible in order and without gaps; SQLite has a single writer anyway.
    """

    stream_id = models.UUIDField(primary_key=True, editable=False)
    last_seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.stream_id} at {self.last_seq}"


class Event(models.Model):
    """One event, never changed. `body` is the complete envelope, serialized once."""

    id = models.CharField(primary_key=True, max_length=48, default=new_event_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    stream_id = models.UUIDField(editable=False)
    seq = models.BigIntegerField(editable=False)
    event_type = models.CharField(max_length=64)
    body = models.TextField(editable=False)
    created_at = models.DateTimeField(default=now, editable=False, db_index=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["stream_id", "seq"], name="event_sequence_unique")
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.id}"
