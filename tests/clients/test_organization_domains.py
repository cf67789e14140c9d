"""The newest published client proves a domain over a real name server and shows it next to an agent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.clients.environments import NEWEST
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import create_account
from tests.factories.dns_server import DnsServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def dns_server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, dns_server: DnsServer) -> Iterator[LiveServer]:
    """A server that asks our name server."""
    directory = tmp_path_factory.mktemp("organization-domains-server")
    running = LiveServer(directory, environment={"INKBOX_DNS_SERVERS": dns_server.address})
    yield running
    running.close()


def test_organization_domains(server: LiveServer, dns_server: DnsServer) -> None:
    account, suffix = create_account(server), secrets.token_hex(4)
    name = f"{suffix}.acme.org"
    inputs = {"base_url": server.base_url, "api_key": account.api_key, "domain": name, "agent": f"shown-{suffix}"}

    begun = run_client(NEWEST, "organization_domains", **inputs, claim_id=None)
    record = begun["record"]
    dns_server.publish(record["name"], record["type"], record["value"])
    result = run_client(NEWEST, "organization_domains", **inputs, claim_id=begun["id"])

    assert begun["state"] == "pending"
    assert (record["type"], record["name"]) == ("TXT", f"_inkbox.{name}")
    assert record["value"].startswith("inkbox-domain-verification=")
    assert begun["unproven"][:2] == ["pending", "record_missing"]
    assert f"_inkbox.{name}" in begun["unproven"][2]
    assert begun["chosen"] == [begun["id"], name, True]
    assert result["pages"] == [[result["second"]], [begun["id"]]]
    assert result["end"] is None
    assert result["proven"] == ["verified", False, True]
    assert (result["shown"][0], result["shown"][2]) == (name, True)
    assert result["nothing"] == [None, None, None]
    assert (result["released"], result["left"], result["refused"]) == ("released", [result["second"]], 409)
