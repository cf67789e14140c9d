"""The testing routes on which the clients' public integration suites are built.

Contract README, section 12.
"""

from __future__ import annotations

import pytest

from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import (
    SuiteAccount,
    create_account,
    http_client,
    post_testing,
    remove_account,
)

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


def test_create_returns_an_empty_organization_with_an_admin_key(server: LiveServer, account: SuiteAccount) -> None:
    assert account.api_key is not None

    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        whoami = client.get("/api/whoami")
        identities = client.get("/api/v1/identities/")

    assert "@" in account.email_address
    assert account.password
    assert whoami.status_code == 200
    assert whoami.json()["organization_id"] == account.org_id
    assert whoami.json()["auth_subtype"] == "api_key.admin_scoped"
    assert identities.json() == []


def test_create_without_a_key(server: LiveServer) -> None:
    created = create_account(server, api_key=False)

    remove_account(server, created)

    assert created.api_key is None


def test_session_jwt_is_a_bearer_token(server: LiveServer, account: SuiteAccount) -> None:
    made = post_testing(
        server,
        "create-session-jwt",
        {"user_id": account.user_id, "org_id": account.org_id},
    )
    assert made.is_success, made.text

    with http_client(server, Authorization=f"Bearer {made.json()['jwt']}") as client:
        whoami = client.get("/api/whoami")

    assert whoami.status_code == 200
    assert whoami.json()["auth_type"] == "jwt"
    assert whoami.json()["organization_id"] == account.org_id
    assert whoami.json()["user_id"] == account.user_id


def test_cleanup_removes_the_organization_and_may_be_repeated(server: LiveServer) -> None:
    created = create_account(server)
    assert created.api_key is not None

    first = remove_account(server, created)
    second = remove_account(server, created)
    with http_client(server, **{"X-API-Key": created.api_key}) as client:
        whoami = client.get("/api/whoami")

    assert first.is_success
    assert isinstance(first.json(), dict)
    assert second.is_success
    assert whoami.status_code == 401


@pytest.mark.parametrize(
    "route",
    [
        "create-test-user-organization",
        "create-session-jwt",
        "cleanup-test-user-organization",
    ],
)
def test_wrong_secret_is_refused(server: LiveServer, route: str) -> None:
    response = post_testing(server, route, {}, secret="not-the-secret")

    assert response.status_code == 401
    assert "detail" in response.json()
