"""The routes of the public integration suites (contract README section 12)."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from identities.models import AgentIdentity, HandleClaim, Membership, Organization, User
from mail.models import Mailbox
from tests.factories.identities import ApiClient, agent, nobody, organization, person
from tests.identities.rows import all_rows
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db

ROUTES = ["create-test-user-organization", "create-session-jwt", "cleanup-test-user-organization"]


def _suite() -> ApiClient:
    return nobody(headers={"X-Interservice-Secret": "testing-secret"})


def _account(create_api_key: bool = True) -> dict[str, Any]:
    answer = _suite().post("/testing/create-test-user-organization", {"create_api_key": create_api_key})
    assert answer.status_code == 201
    (account,) = answer.json()["accounts"]
    return dict(account)


def test_an_account_with_a_key() -> None:
    account = _account()

    assert set(account) == {"email_address", "password", "user_id", "org_id", "api_key"}
    user = User.objects.get()
    assert (user.pk, user.email) == (account["user_id"], account["email_address"])
    assert user.check_password(account["password"])
    assert user.email_verified_at is not None
    assert not user.is_staff
    assert not user.is_superuser
    client = ApiClient(account["api_key"])
    whoami = client.get("/api/whoami").json()
    assert whoami["organization_id"] == account["org_id"]
    assert whoami["auth_subtype"] == "api_key.admin_scoped"
    assert client.get("/identities").json() == []


@pytest.mark.parametrize("body", [{"create_api_key": False}, {}, None])
def test_an_account_without_a_key(body: Any) -> None:
    answer = _suite().post("/testing/create-test-user-organization", body)

    assert answer.json()["accounts"][0]["api_key"] is None


def test_two_accounts_do_not_collide() -> None:
    assert _account()["org_id"] != _account()["org_id"]


def test_a_session_of_the_account() -> None:
    account = _account(create_api_key=False)
    body = {"user_id": account["user_id"], "org_id": account["org_id"]}

    answer = _suite().post("/testing/create-session-jwt", body)

    assert answer.status_code == 201
    whoami = ApiClient(bearer=answer.json()["jwt"]).get("/api/whoami").json()
    assert (whoami["user_id"], whoami["organization_id"]) == (account["user_id"], account["org_id"])
    assert whoami["org_role"] == "admin"


def test_a_session_needs_a_membership() -> None:
    account = _account()
    other = organization()

    for body in (
        {"user_id": account["user_id"], "org_id": other.pk},
        {"user_id": person(other).pk, "org_id": account["org_id"]},
        {"user_id": "user_x", "org_id": "org_x"},
    ):
        answer = _suite().post("/testing/create-session-jwt", body)
        assert answer.status_code == 404


def test_the_clean_up_leaves_nothing() -> None:
    bystander = agent(handle="bystander")
    account = _account()
    client = ApiClient(account["api_key"])
    client.post("/identities", {"agent_handle": "alpha"})
    client.post("/identities/alpha/signing-key")
    provisional = organization(is_provisional=True)
    agent(provisional, "signed-up")
    body = {
        "accounts": [
            {
                "user_id": account["user_id"],
                "org_id": account["org_id"],
                "created_provisional_org_ids": [provisional.pk],
            }
        ]
    }

    answer = _suite().post("/testing/cleanup-test-user-organization", body)

    assert answer.status_code == 200
    assert answer.json() == {"organizations": 2}
    assert list(Organization.objects.values_list("pk", flat=True)) == [bystander.organization_id]
    assert not User.objects.exists()
    assert not Membership.objects.exists()
    assert [row.pk for row in AgentIdentity.objects.all()] == [bystander.pk]
    assert Mailbox.objects.count() == 1
    assert Tunnel.objects.count() == 1
    # The next run may use the same handles at once.
    assert list(HandleClaim.objects.values_list("name", flat=True)) == ["bystander"]
    assert client.get("/api/whoami").status_code == 401


def test_the_clean_up_may_be_repeated() -> None:
    account = _account()
    body = {"accounts": [{"user_id": account["user_id"], "org_id": account["org_id"]}]}

    first = _suite().post("/testing/cleanup-test-user-organization", body)
    second = _suite().post("/testing/cleanup-test-user-organization", body)

    assert (first.status_code, second.status_code) == (200, 200)
    assert _suite().post("/testing/cleanup-test-user-organization", {"accounts": []}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"accounts": None},
        {"accounts": {}},
        {"accounts": ["x"]},
        {"accounts": [{"user_id": "user_x"}]},
        {"accounts": [{"user_id": "user_x", "org_id": "org_x", "created_provisional_org_ids": "org_y"}]},
        {"accounts": [{"user_id": "user\x00", "org_id": "org_x"}]},
    ],
)
def test_a_bad_clean_up_is_refused(body: Any) -> None:
    before = all_rows()

    assert _suite().post("/testing/cleanup-test-user-organization", body).status_code == 422
    assert all_rows() == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("secret", [None, "", "wrong", "testing-secre", "testing-secret2", "té"])
def test_a_wrong_secret_is_refused(route: str, secret: str | None) -> None:
    headers = {} if secret is None else {"X-Interservice-Secret": secret}
    before = all_rows()

    answer = nobody(headers=headers).post(f"/testing/{route}", {"create_api_key": True})

    assert answer.status_code == 401
    assert all_rows() == before


@pytest.mark.parametrize("route", ROUTES)
def test_the_routes_do_not_exist_without_a_secret(route: str, settings: Settings) -> None:
    settings.TESTING_SECRET = ""
    before = all_rows()

    for client in (nobody(), nobody(headers={"X-Interservice-Secret": ""}), _suite()):
        for method in ("POST", "GET"):
            answer = client.call(method, f"/testing/{route}")
            assert answer.status_code == 404
            assert answer.json()["detail"]["error"] == "route_not_found"

    unknown = nobody().post("/testing/no-such-route").json()["detail"]["message"]
    known = nobody().post(f"/testing/{route}").json()["detail"]["message"]
    assert known == unknown.replace("no-such-route", route)
    assert all_rows() == before


def test_a_bad_api_key_beside_the_secret_does_not_matter() -> None:
    client = nobody(headers={"X-Interservice-Secret": "testing-secret", "X-API-Key": "nonsense"})

    assert client.post("/testing/create-test-user-organization", {}).status_code == 201
