"""The worker and beat roles: in this process without a broker, or as Celery's own worker and beat with one."""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

from celery import Celery, current_app, signals
from celery.beat import Service
from celery.worker import WorkController
from celery.worker import state as celery_state
from django.conf import settings
from django.utils.module_loading import import_string

from common import local_worker
from common.local_worker import Pool
from inkbox_site.processes.roles import RoleThread

START_SECONDS = 10
_MAIL_THREADS = 2
_IMPORT_THREADS = 1
_QUICK_THREADS = 2


def pools() -> tuple[Pool, ...]:
    """Which queues share threads. The last pool serves everything else, and everything in it is quick.

    A relay that does not answer holds a thread for minutes, and an import runs for as long as it takes: behind neither
    may mail between mailboxes of this server wait, nor a sweep, nor the waking of the webhook dispatcher. The pools
    that are not for relays are small, because their work is bound by the database.
    """
    return (
        Pool("relay", ("relay",), settings.WORKER_THREADS),
        Pool("mail", ("mail",), _MAIL_THREADS),
        Pool("imports", ("imports",), _IMPORT_THREADS),
        Pool("index", ("index",), 1),
        Pool("reading", ("reading",), 1),
        Pool("quick", ("sweep", "webhooks", "telephony"), _QUICK_THREADS),
    )


class LocalWorkerRole:
    """Worker and beat of the embedded profile (common/local_worker.py)."""

    name = "worker"

    def start(self, on_death: Callable[[str], None]) -> None:
        for path in settings.LEASE_RELEASES:
            import_string(path)()
        local_worker.start(pools())

    def lines(self) -> list[tuple[str, str]]:
        return [("Worker", f"{sum(pool.threads for pool in pools())} threads in this process")]

    def expect_stop(self) -> None:
        """Nothing: its threads end as soon as they are asked to."""

    def stop(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        _stop_webhook_dispatcher(timeout)
        local_worker.stop(max(0.0, deadline - time.monotonic()))


class CeleryWorkerRole:
    """Celery workers on threads in this process, one for each pool."""

    name = "worker"

    def __init__(self) -> None:
        self._threads: list[RoleThread] = []

    def start(self, on_death: Callable[[str], None]) -> None:
        # Otherwise Celery replaces the handlers of the root logger with its own.
        signals.setup_logging.connect(_keep_logging, weak=False)
        current_app.loader.import_default_modules()
        celery_state.should_stop = None
        for pool in pools():
            controller = _controller(pool)
            self._threads.append(RoleThread(f"worker-{pool.name}", controller.start, lambda _: on_death(self.name)))

    def lines(self) -> list[tuple[str, str]]:
        shown = ", ".join(f"{pool.name} {pool.threads}" for pool in pools())
        return [("Worker", f"threads by pool: {shown}")]

    def expect_stop(self) -> None:
        for thread in self._threads:
            thread.expect_end()
        # What a signal handler of Celery would set; its loops look every two seconds, and need two more to leave the
        # broker. 0 is the exit code.
        celery_state.should_stop = 0

    def stop(self, timeout: float) -> None:
        if not self._threads:
            return
        deadline = time.monotonic() + timeout
        _stop_webhook_dispatcher(timeout)
        for thread in self._threads:
            thread.join(deadline - time.monotonic())


def _controller(pool: Pool) -> Any:
    """A Celery worker for the queues of one pool.

    Not the worker of Celery's command line: that one installs signal handlers and prints a banner.
    """
    # The queues of a worker are kept in its application, so each pool has one of its own. Shared tasks belong to every
    # application, and the fixups (closing of database connections) of the first one listen to all of them.
    app = Celery(f"inkbox-{pool.name}", set_as_current=False, fixups=set())
    app.config_from_object("django.conf:settings", namespace="CELERY")
    return WorkController(
        app=app,
        pool="threads",
        concurrency=pool.threads,
        queues=list(pool.queues),
        hostname=f"{pool.name}@{settings.HOST_NAME}-{os.getpid()}",
        # Celery has one event loop in a process; without it, each worker waits for its broker on its own.
        use_eventloop=False,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        # None of Celery's log lines name ids of ours, and warnings suffice.
        loglevel="WARNING",
    )


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

    def expect_stop(self) -> None:
        if self._thread is not None:
            self._thread.expect_end()
            self._service.stop()

    def stop(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)


def _keep_logging(**_: Any) -> None:
    """A receiver of Celery's setup_logging signal: with one connected, Celery leaves logging as it is."""


def _stop_webhook_dispatcher(timeout: float) -> None:
    """Webhook deliveries run on an event loop of their own, started on first use."""
    if importlib.util.find_spec("webhooks.dispatcher") is not None:
        importlib.import_module("webhooks.dispatcher").stop(timeout)
