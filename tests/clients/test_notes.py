"""The published clients write, find, share, change and delete notes."""

from __future__ import annotations

import secrets

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("version", "prefix"), [(NEWEST, ""), (OLDEST, ""), (SEED, "/compat/0.3")])
def test_notes(server: LiveServer, account: SuiteAccount, version: str, prefix: str) -> None:
    assert account.api_key is not None
    agents: dict[str, str] = {}
    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        for name in ("alpha", "bravo"):
            made = client.post("/api/v1/identities", json={"agent_handle": f"{name}-{secrets.token_hex(4)}"}).json()
            key = client.post("/api/v1/api-keys", json={"label": name, "scoped_identity_id": made["id"]}).json()
            agents |= {f"{name}_id": made["id"], f"{name}_key": key["api_key"]}

    found = run_client(version, "notes", base_url=f"{server.base_url}{prefix}", admin_key=account.api_key, **agents)

    alpha, bravo = agents["alpha_id"], agents["bravo_id"]
    body = "# Plan\r\n\r\nBuy **Äpfel** \n"
    made = found["made"]
    assert made == {
        "id": made["id"],
        "organization_id": account.org_id,
        "created_by": agents["alpha_key"].partition(".")[0],
        "title": "Plan",
        "body": body,
        "status": "active",
        "access": [alpha],
        "is_dated": True,
    }
    assert found["got"] == made
    assert (found["private"]["title"], found["private"]["access"], found["alpha_may_not_get"]) == (None, [], 404)
    assert found["lists"] == {
        "admin": 2,
        "alpha": 1,
        "found": 1,
        "created": ["For people only"],
        "second": [body],
        "of_alpha": 1,
        "of_bravo": 0,
        "too_many": 422,
    }
    assert found["access"] == {
        "granted": [made["id"], bravo],
        "again": 409,
        "by_agent": 403,
        "listed": [alpha, bravo],
        "seen_by_bravo": [body],
        "peer": 403,
        "after": [404, 1],
    }
    assert found["changes"] == {
        "cleared": [None, True],
        "rewritten": ["Title", "New"],
        "unchanged": True,
        "no_body": 422,
        "too_long": 422,
    }
    assert found["deleted"] == [None, 404]
    assert found["left"] == ["For people only"]
