"""Move an identity to another organization: what a claim of a self-registered agent comes down to."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from common.clock import now
from identities.allowances import refuse_agent_over_limit
from identities.channels import channels
from identities.enums import Namespace
from identities.errors import HandleUnavailable, IdentityNotFound
from identities.models import AgentIdentity, ApiKey, HandleClaim, Organization, SigningKey
from identities.services.affiliations import drop_affiliation
from identities.services.visibility import drop_access


def move_identity(identity: AgentIdentity, organization: Organization) -> AgentIdentity:
    """Move the identity with its keys, names and channels, or nothing of it. Its ids, addresses and secrets stay.

    Safe to repeat. Raises HandleUnavailable 409 when the organization has another identity of that handle,
    IdentityNotFound 404 when it was deleted meanwhile, QuotaExceeded 402 when the organization may have no more.
    """
    with transaction.atomic():
        row = AgentIdentity.objects.alive().select_for_update().filter(pk=identity.pk).first()
        if row is None:
            raise IdentityNotFound
        previous = row.organization_id
        if previous == organization.pk:
            return row
        refuse_agent_over_limit(organization.pk)
        row.organization = organization
        try:
            with transaction.atomic():
                row.save(update_fields=["organization", "updated_at"])
        except IntegrityError:
            raise HandleUnavailable(row.agent_handle, Namespace.IDENTITIES) from None
        ApiKey.objects.filter(scoped_identity=row).update(organization=organization, updated_at=now())
        SigningKey.objects.filter(identity=row).update(organization=organization)
        HandleClaim.objects.filter(identity=row).update(organization=organization)
        drop_access(row)
        drop_affiliation(row)
        # In the order of removal: whoever records events locks its own rows before the event log.
        for channel in reversed(channels()):
            channel.moved(row, previous)
    return row
