"""What the operator allows one organization, where that differs from the server's own limits."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from common.errors import QuotaExceeded
from common.prepared import Prepared
from identities.models import AgentIdentity, Organization


class Allowances(NamedTuple):
    """None: nothing was set for this organization. Of sends and requests, 0 is no limit."""

    agents: int | None = None
    claimed_sends: int | None = None
    unclaimed_sends: int | None = None
    sending_domains: int | None = None


_ALLOWANCES = Prepared(
    lambda organization_id: Organization.objects.filter(pk=organization_id).values_list(
        "max_agents", "max_claimed_sends", "max_unclaimed_sends", "max_sending_domains"
    ),
    str,
)


def allowances_of(organization_id: str) -> Allowances:
    """One query by primary key."""
    return next((Allowances(*row) for row in _ALLOWANCES.tuples(organization_id)), Allowances())


def refuse_agent_over_limit(organization_id: str) -> None:
    """Before an agent is added, inside the caller's transaction, which holds the count until it commits.

    Raises QuotaExceeded 402.
    """
    limit = allowances_of(organization_id).agents
    if limit is None:
        return
    with transaction.atomic():
        Organization.objects.select_for_update().filter(pk=organization_id).first()
        if AgentIdentity.objects.alive().filter(organization_id=organization_id).count() >= limit:
            raise QuotaExceeded(
                f"This organization may have {limit} agents. Delete one, or ask the operator of this server for more."
            )
