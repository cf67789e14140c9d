"""How long and how old the queues are. The rows are the queues, so one small query each answers it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from common.clock import now

Probe = Callable[[], datetime | None]


@lru_cache(maxsize=1)
def age_probes() -> dict[str, Probe]:
    """Since when the longest waiting row of each queue is due, by queue name.

    Apps above `webhooks` name theirs in `settings.QUEUE_AGE_PROBES`; one that cannot be imported is left out.
    """
    found: dict[str, Probe] = {"webhooks": oldest_due_dispatch_at}
    for path in settings.QUEUE_AGE_PROBES:
        try:
            found[path.partition(".")[0]] = import_string(path)
        except ImportError:
            continue
    return found


def missing_probes() -> list[str]:
    """Dotted paths that cannot be imported (for the system check)."""
    return [path for path in settings.QUEUE_AGE_PROBES if path.partition(".")[0] not in age_probes()]


def oldest_due_dispatch_at() -> datetime | None:
    """Since when the longest waiting webhook dispatch could have been sent."""
    rows = _due_dispatches().filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now()))
    return rows.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()


def depths() -> dict[str, int]:
    """Rows that are due now, by queue; a leased row counts, because its work is not done."""
    jobs = apps.get_model("mail", "OutboundJob")._default_manager.filter(is_open=True, due_at__lte=now())
    return {"mail": jobs.count(), "webhooks": _due_dispatches().count()}


def _due_dispatches() -> QuerySet[Any]:
    dispatches = apps.get_model("webhooks", "Dispatch")._default_manager
    return dispatches.filter(state="pending", next_attempt_at__lte=now())
