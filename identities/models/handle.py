"""The one global namespace of handles, tunnel names and platform mail local parts."""

from __future__ import annotations

from django.db import models

from common.clock import now
from identities.enums import Namespace
from identities.models.agent import AgentIdentity
from identities.models.organization import Organization


class HandleClaim(models.Model):
    """A taken name. The primary key makes two claims of one name impossible, whatever races."""

    name = models.CharField(primary_key=True, max_length=255)
    namespace = models.CharField(max_length=16, choices=[(n.value, n.value) for n in Namespace])
    organization = models.ForeignKey(Organization, on_delete=models.SET_NULL, null=True, related_name="+")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.SET_NULL, null=True, related_name="handle_claims")
    claimed_at = models.DateTimeField(default=now)
    # After a release the same organization may take the name at once, others after the quarantine.
    released_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
