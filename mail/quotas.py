"""What an identity may send in a day (contract mail.md section 4.12, identities.md section 14.4).

The server has limits, and the operator may give an organization others.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from identities.allowances import allowances_of
from identities.enums import ClaimStatus
from identities.models import AgentIdentity

# Reported where the operator set no limit: clients parse a number.
UNLIMITED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SendRestrictions:
    """As the signup status reports them. An empty `allowed_recipients` means anybody."""

    max_sends_per_day: int
    allowed_recipients: tuple[str, ...]
    can_receive: bool = True
    can_create_mailboxes: bool = False


def sends_per_day(identity: AgentIdentity) -> int | None:
    """Recipients in 24 hours; None when the operator set no limit. One query."""
    own = allowances_of(identity.organization_id)
    if identity.claim_status == ClaimStatus.CLAIMED:
        limit = settings.CLAIMED_SENDS_PER_DAY if own.claimed_sends is None else own.claimed_sends
    else:
        limit = settings.UNCLAIMED_SENDS_PER_DAY if own.unclaimed_sends is None else own.unclaimed_sends
    return limit or None


def send_restrictions(identity: AgentIdentity) -> SendRestrictions:
    """The limits in force for this identity now."""
    recipients: tuple[str, ...] = ()
    if identity.claim_status != ClaimStatus.CLAIMED:
        recipients = (identity.human_email or "",)
    return SendRestrictions(sends_per_day(identity) or UNLIMITED, recipients)
