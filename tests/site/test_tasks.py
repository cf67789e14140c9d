"""Celery tasks as a worker sees them."""

from __future__ import annotations

import pytest
from celery import current_app
from django.conf import settings

current_app.loader.import_default_modules()
OURS = sorted(name for name in current_app.tasks if not name.startswith("celery."))


@pytest.mark.parametrize("name", OURS)
def test_a_task_is_stopped_softly_before_it_is_killed(name: str) -> None:
    task = current_app.tasks[name]
    soft = task.soft_time_limit or settings.CELERY_TASK_SOFT_TIME_LIMIT

    assert task.time_limit is not None
    assert soft < task.time_limit


def test_every_periodic_task_exists() -> None:
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(OURS)
