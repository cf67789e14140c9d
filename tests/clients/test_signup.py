"""Agents sign themselves up with the published clients; their human verifies or approves them."""

from __future__ import annotations

import secrets

import httpx
import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, http_client, post_testing

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.mark.parametrize("version", [NEWEST, OLDEST, SEED])
def test_an_agent_verifies_itself_with_the_mailed_code(server: LiveServer, account: SuiteAccount, version: str) -> None:
    suffix = secrets.token_hex(5)
    handle = f"sdk-signup-{suffix}"
    is_seed = version == SEED
    local_part = f"sdk.signup.{suffix}" if is_seed else handle

    result = run_client(
        version,
        "signup",
        base_url=f"{server.base_url}/compat/0.3" if is_seed else server.base_url,
        api_key=account.api_key,
        human=f"human-{suffix}",
        create={"create_mailbox": True} if is_seed else {},
        agent=handle,
        local_part=local_part,
        harness="claude-code" if version == NEWEST else None,
    )

    assert result["claimed_at_first"] == "agent_unclaimed"
    assert result["before"] == ["agent_unclaimed", "human_no_account", [result["human_email"]]]
    assert (result["verified"], result["resent"]) == ("agent_claimed", "agent_claimed")
    assert result["after"] == ["agent_claimed", []]
    assert result["email_address"] == result["own_address"]
    assert result["email_address"].startswith(f"{local_part}@")
    assert ("Claude Code" in result["message"]) == (version == NEWEST)


def test_the_human_approves_in_a_session(server: LiveServer, account: SuiteAccount) -> None:
    """The flow of the public integration suite: sign up, find the agent among the pending ones, approve it."""
    handle = f"sdk-signup-{secrets.token_hex(5)}"
    jwt = post_testing(server, "create-session-jwt", {"user_id": account.user_id, "org_id": account.org_id})
    with http_client(server) as client:
        made = client.post(
            "/api/v1/agent-signup",
            json={
                "human_email": account.email_address,
                "note_to_human": "Please approve me.",
                "agent_handle": handle,
                "email_local_part": handle,
            },
        ).json()
        session = httpx.Headers({"Authorization": f"Bearer {jwt.json()['jwt']}"})
        pending = client.get("/api/v1/agent-signup/pending", headers=session).json()["agents"]
        (mine,) = [row for row in pending if row["agent_handle"] == handle]

        approved = client.post(
            f"/api/v1/agent-signup/{mine['identity_id']}/approve",
            headers=session,
            json={"organization_id": account.org_id},
        )

        assert approved.status_code == 200
        own = client.get(f"/api/v1/identities/{handle}", headers={"X-API-Key": made["api_key"]}).json()
        assert own["organization_id"] == account.org_id
        assert own["mailbox"]["email_address"] == made["email_address"]


class ConsolePerson:
    """Somebody who signs in to the console with a browser's means and trades the session for a token."""

    def __init__(self, server: LiveServer, account: SuiteAccount) -> None:
        self.server = server
        self.browser = http_client(server)
        self.browser.get("/accounts/login/")
        fields = {"login": account.email_address, "password": account.password}
        answer = self.browser.post("/accounts/login/", data={**fields, "csrfmiddlewaretoken": self._csrf})
        assert answer.status_code == 302, answer.text

    @property
    def _csrf(self) -> str:
        return self.browser.cookies["csrftoken"]

    def token(self, organization_id: str) -> str:
        body = {"organization_id": organization_id}
        answer = self.browser.post("/api/v1/auth/token", json=body, headers={"X-CSRFToken": self._csrf})
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    def sign_out(self) -> None:
        self.browser.post("/accounts/logout/", data={"csrfmiddlewaretoken": self._csrf})
        self.browser.close()


@pytest.mark.parametrize("version", [NEWEST, OLDEST, SEED])
def test_a_signed_in_human_decides_about_agents(server: LiveServer, account: SuiteAccount, version: str) -> None:
    is_seed = version == SEED
    base_url = f"{server.base_url}/compat/0.3" if is_seed else server.base_url
    suffix = secrets.token_hex(5)
    wanted, unwanted = (
        run_client(
            version,
            "signup_decided",
            base_url=base_url,
            human_email=account.email_address,
            agent=f"{word}-{suffix}",
            local_part=f"{word}.{suffix}" if is_seed else f"{word}-{suffix}",
            harness="codex" if version == NEWEST else None,
        )
        for word in ("wanted", "unwanted")
    )
    person = ConsolePerson(server, account)
    token = person.token(account.org_id)
    with http_client(server, Authorization=f"Bearer {token}") as client:
        pending = {row["agent_handle"]: row for row in client.get("/api/v1/agent-signup/pending").json()["agents"]}
        ids = [pending[made["agent"]]["identity_id"] for made in (wanted, unwanted)]
        approved = client.post(f"/api/v1/agent-signup/{ids[0]}/approve", json={"organization_id": account.org_id})
        rejected = client.post(f"/api/v1/agent-signup/{ids[1]}/reject", json={})
        left = [row["agent_handle"] for row in client.get("/api/v1/agent-signup/pending").json()["agents"]]
        person.sign_out()
        after_sign_out = client.get("/api/v1/agent-signup/pending")
    seen = [
        run_client(version, "signup_decided", base_url=base_url, api_key=made["api_key"], agent=made["agent"])
        for made in (wanted, unwanted)
    ]

    assert wanted["states"] == ["agent_unclaimed", "agent_unclaimed", "human_account_verified"]
    assert pending[wanted["agent"]]["email_address"] == wanted["email_address"]
    assert pending[wanted["agent"]]["harness"] == ("codex" if version == NEWEST else "")
    assert (approved.status_code, approved.json()["organization_id"]) == (200, account.org_id)
    assert rejected.status_code == 200
    assert {wanted["agent"], unwanted["agent"]}.isdisjoint(left)
    assert after_sign_out.status_code == 401
    assert seen[0] == {
        "status": "agent_claimed",
        "recipients": [],
        "refused": None,
        "email_address": wanted["email_address"],
    }
    assert (seen[1]["status"], seen[1]["refused"]) == ("agent_rejected", 401)
