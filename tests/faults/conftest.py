"""Fixtures of the fault tests: servers to kill, and the peers that they talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.faults.smtp_sink import SmtpSink

StartServer = Callable[..., LiveServer]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start a server of the test's own; keyword arguments are further environment variables."""
    running: list[LiveServer] = []

    def start(**environment: str) -> LiveServer:
        directory = tmp_path / f"server-{len(running)}"
        # The tests send as fast as they can; what is counted here is not the limits.
        unlimited = {"INKBOX_RATE_LIMIT_KEY_PER_MINUTE": "0"}
        running.append(LiveServer(directory, environment=unlimited | environment))
        return running[-1]

    yield start
    for server in running:
        # A clean stop has a test of its own; here it would only take time.
        server.kill()
        server.close()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running
