"""Runs Celery tasks inside this process: the worker and beat of the embedded profile.

The tasks are the very same Celery tasks; only the broker is left out. A thread pool woken by a queue starts a task in
microseconds, where a polled in-memory broker would either burn idle CPU or add its poll interval to every event.
Losing what is queued here is harmless: the rows are the queue, and the sweeps find them again after a restart.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connection

log = structlog.get_logger(__name__)

_Job = tuple[str, tuple[Any, ...]]
_STOP: _Job = ("", ())


@dataclass(frozen=True, slots=True)
class Pool:
    """Threads that serve some queues and no others, so that slow work in one pool never delays another."""

    name: str
    queues: tuple[str, ...]
    threads: int


class LocalWorker:
    """The threads of each pool, and one more that starts the periodic tasks. The last pool also serves stray queues."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        jobs: dict[str, queue.Queue[_Job]] = {pool.name: queue.Queue() for pool in pools}
        self._jobs_by_queue = {name: jobs[pool.name] for pool in pools for name in pool.queues}
        self._other_jobs = jobs[pools[-1].name]
        self._waiting: set[_Job] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(jobs[pool.name],), name=f"worker-{pool.name}-{n}", daemon=True)
            for pool in pools
            for n in range(pool.threads)
        ]
        self._beat = threading.Thread(target=self._tick, name="beat", daemon=True)

    def start(self) -> None:
        """Start the threads; the periodic tasks run once at once, which is how work survives a restart."""
        for thread in (*self._threads, self._beat):
            thread.start()

    def submit(self, task: str, args: tuple[Any, ...]) -> None:
        """Queue one run. A run that is already waiting with the same arguments is not queued twice."""
        job = (task, tuple(str(a) for a in args))
        with self._lock:
            if job in self._waiting or self._stopping.is_set():
                return
            self._waiting.add(job)
        queue_name = settings.CELERY_TASK_ROUTES.get(task, {}).get("queue", settings.CELERY_TASK_DEFAULT_QUEUE)
        self._jobs_by_queue.get(queue_name, self._other_jobs).put(job)

    def stop(self, timeout: float) -> None:
        """Finish what runs, drop what waits (the rows keep it), return within `timeout` seconds."""
        self._stopping.set()
        for jobs in {id(jobs): jobs for jobs in (*self._jobs_by_queue.values(), self._other_jobs)}.values():
            for _ in self._threads:
                jobs.put(_STOP)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, jobs: queue.Queue[_Job]) -> None:
        while (job := jobs.get()) is not _STOP and not self._stopping.is_set():
            with self._lock:
                self._waiting.discard(job)
            self._run(*job)
        connection.close()

    @staticmethod
    def _run(name: str, args: tuple[Any, ...]) -> None:
        try:
            current_app.tasks[name](*args)
        except Exception:
            log.exception("task.failed", task=name)
        finally:
            close_old_connections()

    def _tick(self) -> None:
        due = dict.fromkeys(settings.CELERY_BEAT_SCHEDULE, 0.0)
        while not self._stopping.wait(0.2):
            for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
                if time.monotonic() >= due[name]:
                    every = entry["schedule"]
                    seconds = every.total_seconds() if isinstance(every, timedelta) else float(every)
                    due[name] = time.monotonic() + seconds
                    self.submit(entry["task"], tuple(entry.get("args", ())))


_current: LocalWorker | None = None
_stop_requested = threading.Event()


def start(pools: Sequence[Pool]) -> LocalWorker:
    """Start this process's worker and make it the target of nudges."""
    global _current  # noqa: PLW0603  (one per process by nature)
    current_app.loader.import_default_modules()
    _stop_requested.clear()
    _current = LocalWorker(pools)
    _current.start()
    return _current


def stop(timeout: float) -> None:
    """Stop this process's worker, if one runs."""
    global _current
    _stop_requested.set()
    worker, _current = _current, None
    if worker is not None:
        worker.stop(timeout)


def is_stopping() -> bool:
    """Whether long work should come to an end now, because the process will."""
    return _stop_requested.is_set()


def submit(task: str, args: tuple[Any, ...]) -> None:
    """Queue a run in this process. Without a worker here (a management command, a test) the sweep will find the row."""
    if _current is not None:
        _current.submit(task, args)
