"""The published clients keep secrets in the vault: every method of the vault and of credentials."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

OF_IDENTITY: dict[str, Any] = {
    "own": True,
    "listed": ["Own API key", "Own SSH key", "Own key pair", "Own login"],
    "by_kind": [["Own login"], ["Own API key"], ["Own key pair"], ["Own SSH key"]],
    "got": "Own login",
    "payloads": [True, True, True, True],
    "code": 8,
    "wrong_kind": "TypeError",
    "read": "sk-live-1",
    "deleted": 404,
}
TOTP = {
    "without": "ValueError",
    "same_secret": True,
    "stored": ["JBSWY3DPEHPK3PXP", 8, 30, "Bank", "sha1"],
    "code": [8, True],
    "removed": None,
}


def two_agents(server: LiveServer, account: SuiteAccount) -> dict[str, str]:
    """Handles, ids and keys of two new identities."""
    found: dict[str, str] = {}
    with http_client(server, **{"X-API-Key": account.api_key or ""}) as client:
        for name in ("alpha", "bravo"):
            handle = f"{name}-{secrets.token_hex(4)}"
            made = client.post("/api/v1/identities", json={"agent_handle": handle}).json()
            key = client.post("/api/v1/api-keys", json={"label": name, "scoped_identity_id": made["id"]}).json()
            found |= {name: handle, f"{name}_id": made["id"], f"{name}_key": key["api_key"]}
    return found


@pytest.mark.parametrize(("version", "prefix"), [(NEWEST, ""), (OLDEST, ""), (SEED, "/compat/0.3")])
def test_vault(server: LiveServer, account: SuiteAccount, version: str, prefix: str) -> None:
    agents = two_agents(server, account)

    found = run_client(version, "vault", base_url=f"{server.base_url}{prefix}", admin_key=account.api_key, **agents)

    assert found["before"] is None
    assert found["opened"] == {
        "count": [4, 4],
        "same_vault": True,
        "same_key": True,
        "organization_id": account.org_id,
        "info": [1, 4, 0],
        "keys": ["primary", "recovery", "recovery", "recovery", "recovery"],
        "primary": 1,
        "recovery": 4,
        "again": 409,
        "wrong_key": "ValueError",
    }
    check_secrets(found["secrets"], has_access=version == NEWEST)
    assert found["totp"] == {**TOTP, "password": "p", "not_a_login": "TypeError"}
    alpha, bravo = agents["alpha_id"], agents["bravo_id"]
    assert found["access"] == {
        "granted": [[True, alpha], [True, bravo]],
        "listed": True,
        "again": 409,
        "unknown": 404,
        "of_bravo": ["Shared"],
        "left": [alpha],
        "again_revoked": 404,
    }
    # An admin key reads on what its identity gave up; the agent itself does not.
    totp = {"totp": {**TOTP, "password": "correct horse"}}
    assert found["identity"] == {**OF_IDENTITY, **totp, "given_up": 200}
    assert found["agent"] == {
        "seen": ["Own SSH key", "Own login", "Shared"],
        "listed": True,
        "credentials": True,
        "identity": {
            **OF_IDENTITY,
            **totp,
            # What it had before, and what it made now.
            "by_kind": [["Own login"] * 2, ["Own API key"], ["Own key pair"], ["Own SSH key"] * 2],
            "listed": sorted([*OF_IDENTITY["listed"], "Own SSH key", "Own login"]),
            "given_up": 404,
        },
        "may_not": [403, 403, 403, 403],
        "bravo": [],
        "bravo_may_not": [404, 404, 404, 404],
    }
    assert found["created_with"] == [[True, True, True], 404, 0]
    assert found["keys"] == {
        "changed": "primary",
        "old_key": "ValueError",
        "new_key": True,
        "by_code": True,
        "by_code_again": True,
        "wrong_proof": "ValueError",
        "recovered": "primary",
        "used_code": ["ValueError", "ValueError"],
        "ended_key": "ValueError",
        "third_key": True,
        "left": [1, 3],
        "constructor": True,
        "delete_unknown": 404,
        "delete_last": 409,
        "delete_code": 200,
        "deleted_code": "ValueError",
        "at_last": ["primary", "recovery", "recovery"],
    }


def check_secrets(found: dict[str, Any], *, has_access: bool) -> None:
    assert found == {
        "types": {
            "login": "login",
            "api key": "api_key",
            "key pair": "key_pair",
            "ssh key": "ssh_key",
            "other": "other",
        },
        "access": [[]] * 5 if has_access else [],
        "before": ["login", "a login", True],
        "changed": ["Bank", None, "new", True],
        "wrong_type": "TypeError",
        "gone": [404, 404],
        "listed": ["key pair", "api key", "Bank"],
        "by_type": ["api key"],
        "in_bundle": ["Bank", "api key", "key pair"],
        "opens": {"api key": True, "key pair": True},
        "info": 3,
        "refused": 422,
    }
