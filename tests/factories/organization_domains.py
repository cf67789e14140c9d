"""Claims on domains in any state, for tests that do not walk through a verification."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from common.clock import now
from identities.domain_claims import POLLED, PUBLISHED, ClaimState
from identities.models import Organization, OrganizationDomain
from tests.factories.dns import FakeDns

_numbers = count(1)


def domain_claim(
    of: Organization, domain: str | None = None, state: ClaimState = ClaimState.VERIFIED, **fields: Any
) -> OrganizationDomain:
    """A row as checks leave it in `state`."""
    moment = now()
    was_verified = state in PUBLISHED or state is ClaimState.EXPIRED
    values: dict[str, Any] = {
        "token": f"token{next(_numbers)}",
        "verified_at": moment if was_verified else None,
        "last_success_at": moment if was_verified else None,
        "valid_until": moment + timedelta(days=-1 if state is ClaimState.EXPIRED else 5) if was_verified else None,
        "pending_expires_at": moment + timedelta(days=-1 if state is ClaimState.PENDING_EXPIRED else 7),
        "next_check_at": moment if state in POLLED else None,
        "released_at": moment if state is ClaimState.RELEASED else None,
        **fields,
    }
    name = domain or f"acme{next(_numbers)}.example.org"
    return OrganizationDomain.objects.create(organization=of, domain=name, state=state.value, **values)


def publish(*rows: OrganizationDomain) -> None:
    """Put the records of these claims, which are on one domain, into DNS."""
    records = [row.dns_record for row in rows]
    FakeDns.publish(records[0]["name"], "TXT", "v=other", *(record["value"] for record in records))


def withdraw(row: OrganizationDomain) -> None:
    """Take all TXT records from there."""
    FakeDns.withdraw(row.dns_record["name"], "TXT")
