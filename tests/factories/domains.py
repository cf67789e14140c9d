"""Sending domains in any state, for tests that do not walk through a verification."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from common.clock import now
from identities.models import Organization
from mail.domain_states import RECEIVING, UNVERIFIED, DomainStatus
from mail.models import SendingDomain

_numbers = count(1)


def sending_domain(
    of: Organization, domain: str | None = None, status: DomainStatus = DomainStatus.VERIFIED, **fields: Any
) -> SendingDomain:
    """A row as verification leaves it in `status`, without keys."""
    was_verified = status in RECEIVING
    values: dict[str, Any] = {
        "is_owned": was_verified or status in UNVERIFIED - {DomainStatus.NOT_STARTED, DomainStatus.AWAITING_OWNERSHIP},
        "is_receiving": was_verified,
        "verified_at": now() if was_verified else None,
        "ownership_token": f"token-{next(_numbers)}",
        "mail_from_subdomain": "bounces",
        "window_ends_at": now() + timedelta(hours=72),
        **fields,
    }
    name = domain or f"mail{next(_numbers)}.example.org"
    return SendingDomain.objects.create(organization=of, domain=name, status=status.value, **values)
