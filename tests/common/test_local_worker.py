"""The worker inside the process: pools of threads that do not delay each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from celery import current_app
from pytest_django import Settings

from common.local_worker import LocalWorker, Pool

POOLS = (Pool("slow", ("relay",), 2), Pool("quick", ("sweep",), 1))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[LocalWorker]:
    settings.CELERY_BEAT_SCHEDULE = {}
    settings.CELERY_TASK_ROUTES = {"t.slow": {"queue": "relay"}, "t.stray": {"queue": "unknown"}}
    worker = LocalWorker(POOLS)
    yield worker
    worker.stop(5)


def test_a_full_pool_delays_no_other(worker: LocalWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    release, entered = threading.Event(), threading.Semaphore(0)
    ran = {"t.quick": threading.Event(), "t.stray": threading.Event()}

    def slow(_: str) -> None:
        entered.release()
        release.wait(10)

    tasks = {"t.slow": slow, "t.quick": ran["t.quick"].set, "t.stray": ran["t.stray"].set}
    monkeypatch.setattr(current_app, "tasks", tasks)
    worker.start()
    try:
        for number in range(5):
            worker.submit("t.slow", (number,))
        assert entered.acquire(timeout=5)
        assert entered.acquire(timeout=5)

        worker.submit("t.quick", ())
        worker.submit("t.stray", ())

        assert ran["t.quick"].wait(5)
        assert ran["t.stray"].wait(5)
        # Two threads, two inside: the third waits.
        assert not entered.acquire(timeout=0.05)
    finally:
        release.set()


def test_a_waiting_run_is_not_queued_twice(worker: LocalWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    done = threading.Event()
    monkeypatch.setattr(current_app, "tasks", {"t.quick": runs.append, "t.done": done.set})
    for argument in ("a", "a", "b"):
        worker.submit("t.quick", (argument,))
    worker.submit("t.done", ())

    worker.start()

    assert done.wait(5)
    assert runs == ["a", "b"]
