"""The test-only routes that the clients' public integration suites start from.

Contract README, section 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.clients.live_server import LiveServer

PREFIX = "/api/v1/testing"
SECRET_HEADER = "X-Interservice-Secret"


@dataclass(frozen=True)
class SuiteAccount:
    """One created user with an organization of its own."""

    email_address: str
    password: str
    user_id: str
    org_id: str
    api_key: str | None


def http_client(server: LiveServer, **headers: str) -> httpx.Client:
    """Return a client that ignores proxies from the environment."""
    return httpx.Client(base_url=server.base_url, headers=headers, trust_env=False, timeout=30)


def post_testing(server: LiveServer, route: str, body: dict[str, Any], *, secret: str | None = None) -> httpx.Response:
    """Call a testing route, with the right secret unless another one is given."""
    with http_client(server) as client:
        return client.post(
            f"{PREFIX}/{route}",
            json=body,
            headers={SECRET_HEADER: server.testing_secret if secret is None else secret},
        )


def create_account(server: LiveServer, *, api_key: bool = True) -> SuiteAccount:
    response = post_testing(server, "create-test-user-organization", {"create_api_key": api_key})
    assert response.is_success, response.text
    (account,) = response.json()["accounts"]
    return SuiteAccount(
        email_address=account["email_address"],
        password=account["password"],
        user_id=account["user_id"],
        org_id=account["org_id"],
        api_key=account["api_key"],
    )


def remove_account(server: LiveServer, account: SuiteAccount) -> httpx.Response:
    body = {"accounts": [{"user_id": account.user_id, "org_id": account.org_id}]}
    return post_testing(server, "cleanup-test-user-organization", body)
