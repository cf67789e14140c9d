"""The worker and beat roles: in this process without a broker, or as Celery's own worker and beat with one."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any

from celery import current_app, signals
from celery.beat import Service
from celery.worker import WorkController
from celery.worker import state as celery_state
from django.conf import settings
from django.utils.module_loading import import_string

from common import local_worker
from inkbox_site.processes.roles import RoleThread

QUEUES = ("mail", "webhooks", "sweep", "telephony", "imports")
START_SECONDS = 10


class LocalWorkerRole:
    """Worker and beat of the embedded profile (common/local_worker.py)."""

    name = "worker"

    def start(self, on_death: Callable[[str], None]) -> None:
        for path in settings.LEASE_RELEASES:
            import_string(path)()
        local_worker.start(settings.WORKER_THREADS)

    def lines(self) -> list[tuple[str, str]]:
        return [("Worker", f"{settings.WORKER_THREADS} threads in this process")]

    def stop(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        _stop_webhook_dispatcher(timeout)
        local_worker.stop(max(0.0, deadline - time.monotonic()))


class CeleryWorkerRole:
    """A Celery worker on threads, consuming every queue."""

    name = "worker"

    def __init__(self) -> None:
        self._thread: RoleThread | None = None
        self._controller: Any = None

    def start(self, on_death: Callable[[str], None]) -> None:
        # Otherwise Celery replaces the handlers of the root logger with its own.
        signals.setup_logging.connect(_keep_logging, weak=False)
        current_app.loader.import_default_modules()
        celery_state.should_stop = None
        # Not the worker of Celery's command line: that one installs signal handlers and prints a banner.
        self._controller = WorkController(
            app=current_app._get_current_object(),
            pool="threads",
            concurrency=settings.WORKER_THREADS,
            queues=list(QUEUES),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            # None of Celery's log lines name ids of ours, and warnings suffice.
            loglevel="WARNING",
        )
        self._thread = RoleThread("worker", self._controller.start, on_death)

    def lines(self) -> list[tuple[str, str]]:
        return [("Worker", f"{settings.WORKER_THREADS} threads, queues {', '.join(QUEUES)}")]

    def stop(self, timeout: float) -> None:
        if self._thread is None:
            return
        deadline = time.monotonic() + timeout
        self._thread.expect_end()
        # What a signal handler of Celery would set; its loop looks at least once a second. 0 is the exit code.
        celery_state.should_stop = 0
        _stop_webhook_dispatcher(timeout)
        self._thread.join(deadline - time.monotonic())


class CeleryBeatRole:
    """Sends the periodic tasks. The schedule is kept in memory: all of it is intervals of at most an hour."""

    name = "beat"

    def __init__(self) -> None:
        self._thread: RoleThread | None = None
        self._service: Any = None

    def start(self, on_death: Callable[[str], None]) -> None:
        # One second at most between two looks at the clock, so that a stop takes no longer.
        self._service = Service(
            current_app._get_current_object(), max_interval=1, scheduler_cls="celery.beat:Scheduler"
        )
        self._thread = RoleThread("beat", self._service.start, on_death)

    def lines(self) -> list[tuple[str, str]]:
        return [("Beat", f"{len(settings.CELERY_BEAT_SCHEDULE)} periodic tasks")]

    def stop(self, timeout: float) -> None:
        if self._thread is None:
            return
        self._thread.expect_end()
        self._service.stop()
        self._thread.join(timeout)


def _keep_logging(**_: Any) -> None:
    """A receiver of Celery's setup_logging signal: with one connected, Celery leaves logging as it is."""


def _stop_webhook_dispatcher(timeout: float) -> None:
    """Webhook deliveries run on an event loop of their own, started on first use."""
    if importlib.util.find_spec("webhooks.dispatcher") is not None:
        importlib.import_module("webhooks.dispatcher").stop(timeout)
