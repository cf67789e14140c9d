"""Runs Celery tasks inside this process: the worker and beat of the embedded profile.

The tasks are the very same Celery tasks; only the broker is left out. A thread pool woken by a queue starts a task in
microseconds, where a polled in-memory broker would either burn idle CPU or add its poll interval to every event.
Losing what is queued here is harmless: the rows are the queue, and the sweeps find them again after a restart.
"""

from __future__ import annotations

import queue
import threading
import time
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connection

log = structlog.get_logger(__name__)

_Job = tuple[str, tuple[Any, ...]]
_STOP: _Job = ("", ())
# A relay that does not answer holds a thread for minutes. So mail has threads of its own, and what is quick (sweeps,
# waking the webhook dispatcher) never waits behind it; two, because a purge may take long as well.
_SLOW_QUEUE = "mail"
_QUICK_THREADS = 2


class LocalWorker:
    """`threads` threads that send mail, two that run every other task, and one that starts the periodic ones."""

    def __init__(self, threads: int) -> None:
        self._slow_jobs: queue.Queue[_Job] = queue.Queue()
        self._quick_jobs: queue.Queue[_Job] = queue.Queue()
        self._waiting: set[_Job] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        sources = [self._slow_jobs] * threads + [self._quick_jobs] * _QUICK_THREADS
        self._threads = [
            threading.Thread(target=self._work, args=(source,), name=f"worker-{n}", daemon=True)
            for n, source in enumerate(sources)
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
        is_slow = settings.CELERY_TASK_ROUTES.get(task, {}).get("queue") == _SLOW_QUEUE
        (self._slow_jobs if is_slow else self._quick_jobs).put(job)

    def stop(self, timeout: float) -> None:
        """Finish what runs, drop what waits (the rows keep it), return within `timeout` seconds."""
        self._stopping.set()
        for _ in self._threads:
            self._slow_jobs.put(_STOP)
            self._quick_jobs.put(_STOP)
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


def start(threads: int) -> LocalWorker:
    """Start this process's worker and make it the target of nudges."""
    global _current  # noqa: PLW0603  (one per process by nature)
    current_app.loader.import_default_modules()
    _current = LocalWorker(threads)
    _current.start()
    return _current


def stop(timeout: float) -> None:
    """Stop this process's worker, if one runs."""
    global _current
    worker, _current = _current, None
    if worker is not None:
        worker.stop(timeout)


def submit(task: str, args: tuple[Any, ...]) -> None:
    """Queue a run in this process. Without a worker here (a management command, a test) the sweep will find the row."""
    if _current is not None:
        _current.submit(task, args)
