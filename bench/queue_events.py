"""Fill the queue of a stopped server: so many events, spread over the identities that have a subscription.

python bench/queue_events.py EVENTS   (environment as for the server)   ->   bytes of one body
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inkbox_site.settings")
django.setup()

from django.db import transaction  # noqa: E402

from webhooks.models import Event, Subscription  # noqa: E402
from webhooks.outbox import NewEvent, record_many  # noqa: E402

_BATCH = 64


def main() -> None:
    """Record them as receiving mail would, in batches."""
    total = int(sys.argv[1])
    owners = list(Subscription.objects.active().values_list("organization_id", "identity_id"))
    text = "The total looks off by 20. " * 40
    for start in range(0, total, _BATCH):
        events = [
            NewEvent(*owners[n % len(owners)], "message.received", {"message": {"n": n, "body": text}})
            for n in range(start, min(total, start + _BATCH))
        ]
        with transaction.atomic():
            record_many(events)
    last = Event.objects.order_by("-position").first()
    print(len(last.body) if last else 0)


if __name__ == "__main__":
    main()
