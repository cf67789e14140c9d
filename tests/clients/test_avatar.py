"""Avatars by raw HTTP, as plugins send them: no published client has methods for them."""

from __future__ import annotations

import secrets

import pytest

from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount, http_client
from tests.factories.pictures import decoded, picture

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


def test_avatars(server: LiveServer, account: SuiteAccount) -> None:
    assert account.api_key is not None
    handle = f"alpha-{secrets.token_hex(4)}"
    path = f"/api/v1/identities/{handle}/avatar"
    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        client.post("/api/v1/identities", json={"agent_handle": handle}).raise_for_status()

        made = client.put(path, files={"file": ("me.webp", picture("WEBP", (1000, 700)), "image/webp")})
        served = client.get(path)
        refused = client.put(path, files={"file": ("me.png", b"no picture", "image/png")})
        large = client.put(path, files={"file": ("me.png", bytes(6 * 1024 * 1024), "image/png")})
        deleted = client.delete(path)

        assert (made.status_code, made.json()["has_avatar"]) == (200, True)
        assert (served.status_code, served.headers["Content-Type"]) == (200, "image/jpeg")
        assert decoded(served.content).size == (600, 600)
        assert (refused.status_code, large.status_code) == (415, 413)
        assert (deleted.status_code, client.get(path).status_code) == (204, 404)
