"""/healthz and /readyz."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from common.blobs import FolderBlobs
from common.clock import now
from inkbox_site import health, queues


def _probe(age: timedelta | None) -> Callable[[], dict[str, queues.Probe]]:
    def oldest() -> datetime | None:
        return None if age is None else now() - age

    return lambda: {"mail": oldest}


def test_healthz_asks_nobody(client: Client) -> None:
    # Without the database mark, any query would fail this test.
    response = client.get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/schema"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_ready(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": {
            "database": {"status": "ok"},
            "blobs": {"status": "ok"},
            "queue_webhooks": {"status": "ok", "oldest_due_seconds": 0},
            "queue_mail": {"status": "ok", "oldest_due_seconds": 0},
        },
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (59, 200), (60, 503), (3600, 503)])
def test_a_queue_that_nobody_works_on(
    client: Client, monkeypatch: pytest.MonkeyPatch, seconds: int, status: int
) -> None:
    monkeypatch.setattr(queues, "age_probes", _probe(timedelta(seconds=seconds)))

    response = client.get("/readyz")

    assert response.status_code == status
    assert response.json()["checks"]["queue_mail"] == {
        "status": "ok" if status == 200 else "failed",
        "oldest_due_seconds": seconds,
    }


@pytest.mark.django_db
def test_a_row_due_in_the_future_is_no_backlog(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "age_probes", _probe(timedelta(seconds=-90)))

    assert client.get("/readyz").json()["checks"]["queue_mail"] == {"status": "ok", "oldest_due_seconds": 0}


@pytest.mark.django_db
def test_a_full_disk_is_unavailable_and_tells_no_path(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: FolderBlobs) -> None:
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setattr(FolderBlobs, "check", refuse)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["blobs"] == {"status": "failed", "error": "OSError"}
    assert "secret" not in response.content.decode()


@pytest.mark.django_db
def test_a_lost_database_is_unavailable(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("could not connect to host db.internal")

    monkeypatch.setattr(health, "_check_database", refuse)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"status": "failed", "error": "OperationalError"}
    assert "internal" not in response.content.decode()


def test_a_probe_that_does_not_exist_is_left_out_and_reported(settings: Settings) -> None:
    queues.age_probes.cache_clear()
    settings.QUEUE_AGE_PROBES = ["nowhere.selectors.oldest"]
    try:
        assert list(queues.age_probes()) == ["webhooks"]
        assert queues.missing_probes() == ["nowhere.selectors.oldest"]
    finally:
        queues.age_probes.cache_clear()
