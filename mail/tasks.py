"""Celery tasks of this app. Arguments are primary keys; every task may run twice."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from common.clock import now
from identities.services.idempotency import purge_idempotency
from mail.services import (
    approving,
    bounce_brake,
    deleting,
    domain_checks,
    drafts,
    exchanges,
    extracting,
    importing,
    imports,
    indexing,
    jobs,
    platform_mail,
    relaying,
    sending,
    sending_domains,
    suppressions,
)


@shared_task(name="mail.send_message", soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def send_message(message_id: str) -> None:
    """Deliver one queued message to its recipients on this server; the others are handed to `mail.relay_message`."""
    sending.send_message(UUID(message_id))


@shared_task(name="mail.relay_message", soft_time_limit=570, time_limit=600)  # type: ignore[untyped-decorator]
def relay_message(message_id: str) -> None:
    """Offer one queued message to the transport for its recipients elsewhere."""
    relaying.relay_message(UUID(message_id))


@shared_task(name="mail.check_bounces", soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def check_bounces(mailbox_id: str) -> None:
    """Pause a mailbox of whose mail too much comes back."""
    bounce_brake.check_bounces(UUID(mailbox_id))


@shared_task(name="mail.send_platform_mail", soft_time_limit=570, time_limit=600)  # type: ignore[untyped-decorator]
def send_platform_mail(mail_id: str) -> None:
    """Send one message of the server itself."""
    platform_mail.send_platform_mail(UUID(mail_id))


@shared_task(name="mail.sweep_outbound", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def sweep_outbound() -> None:
    """Find what a lost nudge or a dead worker left."""
    jobs.wake_due_jobs()
    platform_mail.wake_due_platform_mail()


@shared_task(name="mail.index_messages", soft_time_limit=240, time_limit=300)  # type: ignore[untyped-decorator]
def index_messages() -> None:
    """Put new messages into the search index."""
    indexing.index_pending()


@shared_task(name="mail.end_pauses", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def end_pauses() -> None:
    """Take the mark off threads whose pause is over."""
    exchanges.end_pauses()


@shared_task(name="mail.extract_attachments", soft_time_limit=240, time_limit=300)  # type: ignore[untyped-decorator]
def extract_attachments() -> None:
    """Extract the text of new attachments."""
    extracting.extract_due()


@shared_task(name="mail.expire_approvals", soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def expire_approvals() -> None:
    """Fail held messages that nobody decided about in time."""
    approving.expire_approvals()


@shared_task(name="mail.purge_deleted", soft_time_limit=540, time_limit=600)  # type: ignore[untyped-decorator]
def purge_deleted() -> None:
    """Remove content past its retention."""
    deleting.purge_deleted_mail()
    platform_mail.purge_platform_mail()
    suppressions.purge_suppressions()
    exchanges.purge_exchanges()
    imports.purge_uploads()
    drafts.purge_sent_drafts()
    purge_idempotency()


@shared_task(name="mail.check_domain", soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def check_domain(domain_id: str) -> None:
    """Look at the DNS of one sending domain."""
    domain_checks.check_domain(UUID(domain_id))


@shared_task(name="mail.sweep_domains", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def sweep_domains() -> None:
    """Find domains to look at, and those whose time is over."""
    domain_checks.close_windows()
    sending_domains.purge_domains(now())
    domain_checks.wake_due_domains()


@shared_task(name="mail.run_import", soft_time_limit=540, time_limit=600)  # type: ignore[untyped-decorator]
def run_import(job_id: str) -> None:
    """Read on in one import, for two minutes at most; what is left is queued again."""
    importing.run_import(UUID(job_id))


@shared_task(name="mail.sweep_imports", soft_time_limit=30, time_limit=60)  # type: ignore[untyped-decorator]
def sweep_imports() -> None:
    """Cancel imports that nobody started, and find those that a lost nudge or a dead worker left."""
    imports.expire_imports()
    importing.run_due_imports()
