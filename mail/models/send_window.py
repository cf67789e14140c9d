"""How much an identity has sent in its current day."""

from __future__ import annotations

from django.db import models

from common.clock import now
from identities.models import AgentIdentity


class SendWindow(models.Model):
    """24 hours that begin with a send; the first send after them opens the next window (mail/services/quotas.py)."""

    identity = models.OneToOneField(AgentIdentity, on_delete=models.CASCADE, primary_key=True, related_name="+")
    opened_at = models.DateTimeField(default=now)
    sends = models.PositiveIntegerField(default=0, help_text="Recipients of accepted messages, each counted once.")

    def __str__(self) -> str:
        return f"{self.sends} since {self.opened_at}"
