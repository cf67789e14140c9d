"""Celery tasks."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_process_shutdown, worker_shutdown

from webhooks import dispatcher
from webhooks.services.dispatches import give_up_old, has_due
from webhooks.services.retention import purge_old as purge_old_rows

_STOP_SECONDS = 5.0


@shared_task(name="webhooks.deliver", soft_time_limit=10, time_limit=20)  # type: ignore[untyped-decorator]
def deliver() -> None:
    """New rows are in the queue."""
    dispatcher.wake()


@shared_task(name="webhooks.sweep_dispatches", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def sweep_dispatches() -> None:
    """Find what a lost nudge, a retry or a lease that ran out left in the queue."""
    if has_due():
        dispatcher.wake()


@shared_task(name="webhooks.purge_old", soft_time_limit=600, time_limit=660)  # type: ignore[untyped-decorator]
def purge_old() -> None:
    """Apply the retention of the event and delivery logs."""
    give_up_old()
    purge_old_rows()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]
def stop_dispatcher(**_: Any) -> None:
    """A Celery process ends: finish and record what is under way."""
    dispatcher.stop(_STOP_SECONDS)
