"""Stop an organization and let it go on: what an operator does about abuse, or about bills.

Suspended, its keys and session tokens are refused, its mail and webhooks wait, mail to it is not taken, and its console
can be read but changes nothing. Nothing that it has is lost: resuming lets everything go on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from common.clock import now
from identities.channels import channels
from identities.enums import AuditAction
from identities.errors import OrganizationNotFound
from identities.models import Organization
from identities.services.audit import Detail
from identities.services.organizations import record_organization

REASON_MAX_CHARS = 500
ALLOWANCE_FIELDS = (
    "max_agents",
    "max_claimed_sends",
    "max_unclaimed_sends",
    "max_key_requests",
    "max_sending_domains",
)


def suspend_organization(organization_id: str, reason: str) -> None:
    """Stop it at once. `reason` is shown to its people and callers; a second call changes the reason.

    Raises OrganizationNotFound 404.
    """
    with transaction.atomic():
        row = _lock(organization_id)
        row.suspended_at = row.suspended_at or now()
        row.suspension_reason = reason.strip()[:REASON_MAX_CHARS]
        row.save(update_fields=["suspended_at", "suspension_reason", "updated_at"])
        for channel in channels():
            channel.suspended(organization_id)
        record_organization(row, AuditAction.ORGANIZATION_SUSPENDED, {"reason": row.suspension_reason})


def resume_organization(organization_id: str) -> None:
    """Let it go on. Does nothing for one that is not suspended. Raises OrganizationNotFound 404."""
    with transaction.atomic():
        row = _lock(organization_id)
        if row.suspended_at is None:
            return
        row.suspended_at, row.suspension_reason = None, ""
        row.save(update_fields=["suspended_at", "suspension_reason", "updated_at"])
        for channel in channels():
            channel.resumed(organization_id)
        record_organization(row, AuditAction.ORGANIZATION_RESUMED)


def change_allowances(organization_id: str, wanted: Mapping[str, int | None]) -> None:
    """Set what the organization may use, by the names of ALLOWANCE_FIELDS; None is the server's own limit.

    Raises OrganizationNotFound 404.
    """
    with transaction.atomic():
        row = _lock(organization_id)
        changed = {
            name: value for name, value in wanted.items() if name in ALLOWANCE_FIELDS and getattr(row, name) != value
        }
        if not changed:
            return
        details: dict[str, Detail] = {
            name: "server limit" if value is None else value for name, value in changed.items()
        }
        for name, value in changed.items():
            setattr(row, name, value)
        row.save(update_fields=[*changed, "updated_at"])
        record_organization(row, AuditAction.ORGANIZATION_LIMITED, details)


def _lock(organization_id: str) -> Organization:
    row = Organization.objects.select_for_update().filter(pk=organization_id).first()
    if row is None:
        raise OrganizationNotFound
    return row
