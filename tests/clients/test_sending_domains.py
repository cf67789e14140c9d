"""The published clients use domains that a live server verified over a real name server."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, create_account, http_client
from tests.factories.dns_server import DnsServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

VERIFY_SECONDS = 60


@pytest.fixture(scope="module")
def dns_server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, dns_server: DnsServer) -> Iterator[LiveServer]:
    """A server that asks our name server."""
    directory = tmp_path_factory.mktemp("domains-server")
    running = LiveServer(directory, environment={"INKBOX_DNS_SERVERS": dns_server.address})
    yield running
    running.close()


def _verified(server: LiveServer, dns_server: DnsServer, account: SuiteAccount, name: str) -> dict[str, Any]:
    """Register over the API, publish what it says, wait for the poller to find it."""
    assert account.api_key is not None
    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        made = client.post("/api/v1/domains", json={"domain": name}).json()
        for record in made["dns_records"]:
            dns_server.publish(record["name"], record["type"], record["value"])
        deadline = time.monotonic() + VERIFY_SECONDS
        while time.monotonic() < deadline:
            row: dict[str, Any] = client.get(f"/api/v1/domains/{name}").json()
            if row["status"] == "verified":
                return row
            time.sleep(1)
    raise AssertionError(f"Not verified within {VERIFY_SECONDS} s: {row}\n{server.log()}")


@pytest.mark.parametrize("version", [NEWEST, OLDEST, SEED])
def test_sending_domains(server: LiveServer, dns_server: DnsServer, version: str) -> None:
    account = create_account(server)
    suffix = secrets.token_hex(4)
    name, pending = f"{suffix}.acme.org", f"pending-{suffix}.acme.org"
    row = _verified(server, dns_server, account, name)
    with http_client(server, **{"X-API-Key": account.api_key or ""}) as client:
        other = client.post("/api/v1/domains", json={"domain": pending}).json()
    handles = [f"{word}-{suffix}" for word in ("one", "two", "three")]

    result = run_client(
        version,
        "sending_domains",
        base_url=f"{server.base_url}/compat/0.3" if version == SEED else server.base_url,
        api_key=account.api_key,
        domain=name,
        domain_id=row["id"],
        pending=pending,
        handles=handles,
    )

    # The poller may have looked at the other domain already.
    (unverified,) = [shown for shown in result["all"] if shown[1] == pending]
    assert unverified[2] in ("not_started", "awaiting_ownership")
    assert unverified[0] == other["id"]
    assert result["all"] == [unverified, [row["id"], name, "verified", False, True]]
    assert result["verified"] == [[row["id"], name, "verified", False, True]]
    assert result["failed"] == []
    assert (result["chosen"], result["defaults"]) == (name, [name])
    assert (result["refused"], result["unknown"]) == (409, 404)
    assert (result["cleared"], result["defaults_after"]) == (None, [])
    first, second, _ = handles
    if version == SEED:
        assert result["addresses"] == [f"{first}@{name}"]
    else:
        assert result["addresses"] == [f"{first}@{name}", f"{second}@mail.localhost", f"sales.eu@{name}", 409]
