"""A published client opens an identity to another agent and closes it again."""

from __future__ import annotations

import secrets

import pytest

from tests.clients.environments import OLDEST
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


def test_identity_access(server: LiveServer, account: SuiteAccount) -> None:
    assert account.api_key is not None
    target, viewer = (f"{name}-{secrets.token_hex(4)}" for name in ("target", "viewer"))
    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        client.post("/api/v1/identities", json={"agent_handle": target}).raise_for_status()
        viewer_id = client.post("/api/v1/identities", json={"agent_handle": viewer}).json()["id"]
        key = client.post("/api/v1/api-keys", json={"label": "viewer", "scoped_identity_id": viewer_id}).json()

    found = run_client(
        OLDEST,
        "identity_access",
        base_url=server.base_url,
        admin_key=account.api_key,
        viewer_key=key["api_key"],
        viewer_id=viewer_id,
        target=target,
        viewer=viewer,
    )

    assert found == {
        "before": [viewer],
        "row": [True, viewer_id],
        "again": 409,
        "granted": [[target, viewer], f"{target}@mail.localhost"],
        "listed": [viewer_id],
        "by_viewer": 403,
        "revoked": [[viewer], 404],
        "wildcard": [None, True],
        "open": [target, viewer],
        "redundant": [409, "redundant_grant", True],
    }
