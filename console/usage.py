"""What an agent has used of its limits, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from common.clock import now
from identities.models import AgentIdentity
from mail import limits
from mail.models import SendWindow
from mail.quotas import sends_per_day


@dataclass(frozen=True, slots=True)
class SendUsage:
    """Recipients in the current window of 24 hours. `limit` None: the operator set none, and nothing is counted.

    `ends_at` None: no window is open, and the next send opens one.
    """

    limit: int | None
    used: int
    ends_at: datetime | None

    @property
    def left(self) -> int:
        return max(0, (self.limit or 0) - self.used)


def send_usage(identity: AgentIdentity) -> SendUsage:
    """Of an identity that the caller found to be visible. One query."""
    limit = sends_per_day(identity)
    window = SendWindow.objects.filter(pk=identity.pk, opened_at__gt=now() - limits.SEND_WINDOW).first()
    if limit is None or window is None:
        return SendUsage(limit, 0, None)
    return SendUsage(limit, window.sends, window.opened_at + limits.SEND_WINDOW)
