"""Count the opens of tracked messages."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from common.clock import now
from mail import limits
from mail.models import Message


def record_open(message_id: UUID) -> bool:
    """Count one load of the image, unless another one counted less than a minute ago. One conditional UPDATE.

    Returns whether it counted. Deleted and untracked messages never do.
    """
    moment = now()
    rows = Message.objects.alive().filter(
        Q(last_opened_at__isnull=True) | Q(last_opened_at__lte=moment - timedelta(seconds=limits.OPEN_WINDOW_SECONDS)),
        pk=message_id,
        tracks_opens=True,
    )
    return bool(
        rows.update(
            open_count=F("open_count") + 1,
            first_opened_at=Coalesce(F("first_opened_at"), Value(moment)),
            last_opened_at=moment,
        )
    )
