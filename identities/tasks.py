"""Celery tasks of this app. Arguments are primary keys; every task may run twice."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from identities.services import domain_claim_checks, organization_domains, sessions


@shared_task(name="identities.purge_old", soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def purge_old() -> None:
    """Remove rows of bearer tokens whose time is over, and claims on domains that were given up."""
    sessions.purge_session_tokens()
    organization_domains.purge_released_claims()


@shared_task(name="identities.check_domain", soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def check_domain(claim_id: str) -> None:
    """Look for the DNS record of one claimed domain."""
    domain_claim_checks.check_claim(UUID(claim_id))


@shared_task(name="identities.sweep_domains", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def sweep_domains() -> None:
    """Find claims to look at, and those whose time is over."""
    domain_claim_checks.close_claims()
    domain_claim_checks.wake_due_claims()
