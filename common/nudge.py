"""Wake a worker after commit. A nudge may be lost; the row it speaks of is the queue, and a sweep finds it later."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

from common import local_worker

log = structlog.get_logger(__name__)


def nudge(task: str, *args: Any) -> None:
    """Run the task named `task` soon after the current transaction commits; at once when there is none.

    Arguments are primary keys (they cross a broker as JSON). Never raises: a broker that is away costs only time.
    """
    transaction.on_commit(partial(_send, task, args))


def _send(task: str, args: tuple[Any, ...]) -> None:
    if not settings.REDIS_URL:
        local_worker.submit(task, args)
        return
    try:
        current_app.send_task(task, args=[str(a) for a in args], ignore_result=True, retry=False)
    except Exception as error:
        log.warning("nudge.lost", task=task, error=type(error).__name__)
