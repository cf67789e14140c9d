"""Forget events and deliveries that are older than the logs reach (contract webhooks.md 4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from common.clock import now
from webhooks import limits
from webhooks.enums import DispatchState
from webhooks.models import DeliveryAttempt, Dispatch, Event, EventLog, EventStream


def purge_old() -> int:
    """Delete in small transactions what is older than the retention time; returns the number of rows."""
    cutoff = now() - timedelta(days=settings.EVENT_RETENTION_DAYS)
    count = 0
    while ids := list(
        DeliveryAttempt.objects.filter(created_at__lt=cutoff).values_list("pk", flat=True)[: limits.PURGE_BATCH]
    ):
        count += DeliveryAttempt.objects.filter(pk__in=ids).delete()[0]
    # A replay or a row still pending keeps its event, whose body it needs.
    pending = Dispatch.objects.filter(event=OuterRef("pk"), state=DispatchState.PENDING.value)
    logged = DeliveryAttempt.objects.filter(event=OuterRef("pk"))
    old = Event.objects.filter(~Exists(pending), ~Exists(logged), created_at__lt=cutoff)
    while rows := list(old.values_list("pk", "organization_id", "stream_id", "position")[: limits.PURGE_BATCH]):
        with transaction.atomic():
            _note_purged((organization, stream, position) for _, organization, stream, position in rows)
            count += Event.objects.filter(pk__in=[row[0] for row in rows]).delete()[0]
    return count


def _note_purged(rows: Iterable[tuple[str, UUID, int]]) -> None:
    """Write down how far readers have to be to miss nothing; one that is behind is told so."""
    logs: dict[str, int] = {}
    streams: dict[UUID, int] = {}
    for organization, stream, position in rows:
        logs[organization] = max(logs.get(organization, 0), position)
        streams[stream] = max(streams.get(stream, 0), position)
    for stream, position in sorted(streams.items()):
        EventStream.objects.filter(pk=stream, purged_position__lt=position).update(purged_position=position)
    for organization, position in sorted(logs.items()):
        EventLog.objects.filter(pk=organization, purged_position__lt=position).update(purged_position=position)
