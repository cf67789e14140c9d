"""Celery tasks of this app. Arguments are primary keys; every task may run twice."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from identities.services.idempotency import purge_idempotency
from mail.services import deleting, sending


@shared_task(name="mail.send_message", soft_time_limit=570, time_limit=600)  # type: ignore[untyped-decorator]
def send_message(message_id: str) -> None:
    """Send one queued message."""
    sending.send_message(UUID(message_id))


@shared_task(name="mail.sweep_outbound", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def sweep_outbound() -> None:
    """Find what a lost nudge or a dead worker left."""
    sending.send_due()


@shared_task(name="mail.purge_deleted", soft_time_limit=540, time_limit=600)  # type: ignore[untyped-decorator]
def purge_deleted() -> None:
    """Remove content past its retention."""
    deleting.purge_deleted_mail()
    purge_idempotency()
