"""The event log: what happened, in order, with the exact text that receivers get."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from common.clock import now
from common.ids import uuid7
from common.scoped import IdentityRows
from identities.models import AgentIdentity, Organization


def new_event_id() -> str:
    """`evt_<uuid>`."""
    return f"evt_{uuid7()}"


class EventStream(models.Model):
    """The counter of one stream: an identity, or a mailbox or number that has none.

    A transaction that records events advances it first. On PostgreSQL the row lock this takes is held to the end, so
    numbers of one stream become visible in order and without gaps; SQLite has a single writer anyway.
    `organization` is where the stream belongs now, which is decided here and not by whoever records.
    """

    stream_id = models.UUIDField(primary_key=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, null=True, related_name="+")
    last_seq = models.BigIntegerField(default=0)
    purged_position = models.BigIntegerField(default=0, help_text="Events up to here may have been deleted.")

    def __str__(self) -> str:
        return f"{self.stream_id} at {self.last_seq}"


class EventLog(models.Model):
    """The counter of one organization's log: where its readers are is a position in it.

    Advanced after the streams, under the same kind of lock: an event with a smaller position never becomes visible
    after one with a larger position, so a reader that asks for what comes after its position misses nothing.
    """

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, primary_key=True, related_name="+")
    last_position = models.BigIntegerField(default=0)
    # How many events the last transaction recorded; what makes the upsert of the counter one statement.
    last_batch = models.PositiveIntegerField(default=0)
    purged_position = models.BigIntegerField(default=0, help_text="Events up to here may have been deleted.")

    def __str__(self) -> str:
        return f"{self.organization_id} at {self.last_position}"


class EventQuerySet(IdentityRows["Event"]):
    """Reads."""


class Event(models.Model):
    """One event, never changed. `body` is the complete envelope, serialized once.

    `seq` counts the events of one stream without gaps. `position` is the order of all events of an organization, and
    the `seq` of the API: microseconds since 1970 when it was recorded, or one more than the event before.
    """

    id = models.CharField(primary_key=True, max_length=48, default=new_event_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    stream_id = models.UUIDField(editable=False)
    seq = models.BigIntegerField(editable=False)
    position = models.BigIntegerField(editable=False)
    event_type = models.CharField(max_length=64)
    body = models.TextField(editable=False)
    created_at = models.DateTimeField(default=now, editable=False, db_index=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["stream_id", "seq"], name="event_sequence_unique")
        ]
        indexes: ClassVar[list[Any]] = [
            # Not unique: an identity keeps its positions when it moves to another organization.
            models.Index(fields=["organization", "position"], name="event_in_organization"),
            models.Index(fields=["stream_id", "position"], name="event_in_stream"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.id}"
