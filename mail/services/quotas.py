"""Count what identities send. The count is part of the transaction that accepts a message, so a refused one is free."""

from __future__ import annotations

import math
from datetime import datetime

from django.db.models import F

from common.clock import now
from common.errors import Invalid, RateLimited
from identities.models import AgentIdentity
from mail import limits
from mail.models import SendWindow
from mail.quotas import sends_per_day


def count_sends(identity: AgentIdentity, recipients: int) -> None:
    """Count a message to this many addresses against the identity's day, inside the caller's transaction.

    Every way to send calls it, after the recipients were found to be allowed and before storage is looked at.
    Raises RateLimited 429 with the seconds until the window ends, Invalid 422 for a message that fits in no window.
    """
    limit = sends_per_day(identity)
    if limit is None:
        return
    if recipients > limit:
        raise Invalid(
            f"This identity may send to {limit} addresses a day, fewer than this message has. Name fewer recipients.",
            loc=("body", "recipients"),
        )
    moment = now()
    if _add(identity, recipients, limit, moment):
        return
    # No window yet, an expired one, or a full one. Each statement decides by itself, so racing sends cannot both fit.
    SendWindow.objects.bulk_create([SendWindow(identity=identity, opened_at=moment)], ignore_conflicts=True)
    SendWindow.objects.filter(pk=identity.pk, opened_at__lte=moment - limits.SEND_WINDOW).update(
        opened_at=moment, sends=0
    )
    if not _add(identity, recipients, limit, moment):
        raise _over_limit(identity, limit, moment)


def _add(identity: AgentIdentity, recipients: int, limit: int, moment: datetime) -> bool:
    fitting = SendWindow.objects.filter(
        pk=identity.pk, opened_at__gt=moment - limits.SEND_WINDOW, sends__lte=limit - recipients
    )
    return bool(fitting.update(sends=F("sends") + recipients))


def _over_limit(identity: AgentIdentity, limit: int, moment: datetime) -> RateLimited:
    opened_at = SendWindow.objects.values_list("opened_at", flat=True).get(pk=identity.pk)
    wait = max(1, math.ceil((opened_at + limits.SEND_WINDOW - moment).total_seconds()))
    return RateLimited(
        f"Daily send limit of {limit} reached: each recipient counts. Try again in {wait} seconds.", retry_after=wait
    )
