"""/metrics: who may read it, and what it counts."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from inkbox_site import queues

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}
REMOTE = {"REMOTE_ADDR": "203.0.113.9"}


def _sample(text: str, start: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(start)]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("enabled", "peer", "status"),
    [(False, LOCAL, 200), (False, {"REMOTE_ADDR": "::1"}, 200), (False, REMOTE, 404), (True, REMOTE, 200)],
)
def test_who_may_read(client: Client, settings: Settings, enabled: bool, peer: dict[str, str], status: int) -> None:
    settings.METRICS_ENABLED = enabled

    assert client.get("/metrics", **peer).status_code == status  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_proxy_on_this_machine_does_not_make_its_visitors_local(client: Client, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1

    assert client.get("/metrics", **LOCAL, HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 404  # type: ignore[arg-type]


@pytest.mark.django_db
def test_requests_are_counted_by_view_never_by_path(client: Client) -> None:
    counter = 'inkbox_http_requests_total{method="GET",status="2xx",view="healthz"}'
    before = _sample(client.get("/metrics", **LOCAL).content.decode(), counter)  # type: ignore[arg-type]

    client.get("/healthz")
    client.get("/api/v1/nothing/secret@example.com")

    text = client.get("/metrics", **LOCAL).content.decode()  # type: ignore[arg-type]
    assert _sample(text, counter) == before + 1
    assert 'status="4xx",view="none"' in text
    assert "secret@example.com" not in text


@pytest.mark.django_db
def test_queues_are_read_at_scrape_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "depths", lambda: {"mail": 7})

    text = client.get("/metrics", **LOCAL).content.decode()  # type: ignore[arg-type]

    assert 'inkbox_queue_due_rows{queue="mail"} 7.0' in text


@pytest.mark.django_db
def test_a_scrape_survives_a_broken_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, int]:
        raise RuntimeError("database is away")

    monkeypatch.setattr(queues, "depths", fail)

    response = client.get("/metrics", **LOCAL)  # type: ignore[arg-type]

    assert response.status_code == 200
    assert b"inkbox_queue_due_rows" not in response.content
