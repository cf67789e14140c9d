"""Forget events and deliveries that are older than the log reaches (contract webhooks.md 4.4)."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from common.clock import now
from webhooks import limits
from webhooks.enums import DispatchState
from webhooks.models import DeliveryAttempt, Dispatch, Event


def purge_old() -> int:
    """Delete in small transactions what is older than the retention time; returns the number of rows."""
    cutoff = now() - limits.RETENTION
    count = 0
    while ids := list(
        DeliveryAttempt.objects.filter(created_at__lt=cutoff).values_list("pk", flat=True)[: limits.PURGE_BATCH]
    ):
        count += DeliveryAttempt.objects.filter(pk__in=ids).delete()[0]
    # A replay or a row still pending keeps its event, whose body it needs.
    pending = Dispatch.objects.filter(event=OuterRef("pk"), state=DispatchState.PENDING.value)
    logged = DeliveryAttempt.objects.filter(event=OuterRef("pk"))
    old = Event.objects.filter(~Exists(pending), ~Exists(logged), created_at__lt=cutoff)
    while event_ids := list(old.values_list("pk", flat=True)[: limits.PURGE_BATCH]):
        count += Event.objects.filter(pk__in=event_ids).delete()[0]
    return count
