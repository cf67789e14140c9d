"""Celery tasks."""

from __future__ import annotations

from celery import shared_task

from vault.services import audit


@shared_task(name="vault.purge_audit", soft_time_limit=600, time_limit=660)  # type: ignore[untyped-decorator]
def purge_vault_audit() -> None:
    """Apply the retention time of the audit log."""
    audit.purge_vault_audit()
