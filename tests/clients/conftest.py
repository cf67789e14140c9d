"""Fixtures of the client tests: a live server, and organizations in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.clients.runner import require_client, run_client
from tests.clients.testing_routes import SuiteAccount, create_account, remove_account

__all__ = ["run_client"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One running server for each test worker, stopped cleanly at the end.

    Not called ``live_server``: pytest-django acts on every test that uses that name.
    """
    running = LiveServer(tmp_path_factory.mktemp("live-server"))
    yield running
    running.close()


@pytest.fixture
def client_python() -> Callable[[str], Path]:
    """Find the interpreter of a client version; skips or fails the test without it."""
    return require_client


@pytest.fixture
def account(server: LiveServer) -> Iterator[SuiteAccount]:
    """An empty organization with an admin key, removed after the test."""
    created = create_account(server)
    yield created
    remove_account(server, created)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running
