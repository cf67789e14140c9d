"""Pictures of agents."""

from __future__ import annotations

from django.db import models

from common.clock import now
from identities.models.agent import AgentIdentity


class Avatar(models.Model):
    """The picture of one identity: a JPEG in the blob store, made here from what was uploaded."""

    identity = models.OneToOneField(AgentIdentity, on_delete=models.CASCADE, primary_key=True, related_name="avatar")
    blob_key = models.CharField(max_length=64, db_index=True)
    size_bytes = models.PositiveIntegerField()
    updated_at = models.DateTimeField(default=now, editable=False)

    def __str__(self) -> str:
        return str(self.identity_id)
