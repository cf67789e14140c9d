"""Every route of the newest published client, asked of the live server.

The committed baseline holds the routes that are answered. It may only grow.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import httpx
import pytest

from tests.clients.coverage.routes import (
    Outcome,
    Route,
    answered,
    classify,
    create_samples,
    probe_routes,
    read_baseline,
    recorded_routes,
    summary_table,
    write_report,
)
from tests.clients.environments import NEWEST, REPOSITORY
from tests.clients.live_server import LiveServer
from tests.clients.runner import client_process_environment, require_client
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

RECORDING_SECONDS = 180
UPDATE = ".venv/bin/python -m tests.clients.coverage.update"


@pytest.fixture(scope="module")
def recording() -> dict[str, Any]:
    """The requests of every public method of the newest client."""
    python = require_client(NEWEST)
    done = subprocess.run(
        [str(python), "-m", "tests.clients.coverage.record_routes"],
        cwd=REPOSITORY,
        env=client_process_environment(),
        capture_output=True,
        text=True,
        timeout=RECORDING_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_recorder_reaches_every_public_method(recording: dict[str, Any]) -> None:
    reached = {entry["method"] for entry in recording["requests"]}

    assert recording["client"] == NEWEST
    assert recording["unreached"] == []
    # Contract clients.md, section 1: 431 methods; 18 of them never make a request.
    assert len(reached) == 413
    assert len(recording["local"]) == 18


def test_no_answered_route_is_lost(server: LiveServer, account: SuiteAccount, recording: dict[str, Any]) -> None:
    assert account.api_key is not None
    routes = recorded_routes(recording)
    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        probes = probe_routes(client, routes, create_samples(client))
    write_report(probes)
    print(f"\n{summary_table(probes)}")

    baseline = read_baseline()
    now = answered(probes)
    statuses = {probe.route: probe.status for probe in probes}

    lost = [f"{route} ({statuses.get(route, 'not recorded')})" for route in sorted(baseline - now)]
    assert not lost, "Routes of the baseline that are no longer answered:\n" + "\n".join(lost)
    new = sorted(now - baseline)
    assert not new, f"{len(new)} routes are newly answered; run {UPDATE} and commit:\n" + "\n".join(new)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (httpx.Response(200, json={}), Outcome.ANSWERED),
        (httpx.Response(404, json={"detail": "No such message."}), Outcome.ANSWERED),
        (httpx.Response(404, json={"detail": {"error": "not_found"}}), Outcome.ANSWERED),
        (httpx.Response(404, json={"detail": {"error": "route_not_found"}}), Outcome.MISSING),
        (httpx.Response(404, text="<h1>Not Found</h1>"), Outcome.MISSING),
        (httpx.Response(405, json={"detail": "Method not allowed."}), Outcome.MISSING),
        (httpx.Response(501, json={"detail": {"error": "not_implemented"}}), Outcome.NOT_IMPLEMENTED),
        (httpx.Response(500, text=""), Outcome.BROKEN),
        (httpx.Response(422, json={"detail": []}), Outcome.ANSWERED),
        (httpx.Response(503, json={"detail": "No carrier."}), Outcome.ANSWERED),
    ],
)
def test_classify(response: httpx.Response, outcome: Outcome) -> None:
    assert classify(response) is outcome


@pytest.mark.parametrize(
    ("line", "area"),
    [
        ("GET /api/whoami", "root"),
        ("POST /api/v1/notes", "notes"),
        ("GET /api/v1/identities/{handle}", "identities"),
        ("GET /api/v1/identities/{handle}/a2a/tasks/{id}", "identities/a2a"),
    ],
)
def test_area(line: str, area: str) -> None:
    assert Route.parse(line).area == area
