"""The published clients send mail that a person approves, or rejects, in the console."""

from __future__ import annotations

import re
import secrets
from typing import Any

import httpx
import pytest

from tests.clients.environments import NEWEST, OLDEST
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

TO = "ada@customer.example"


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
@pytest.mark.parametrize(("decision", "status"), [("", "sent"), ("/reject", "failed")])
def test_a_held_send_is_queued_until_somebody_decides(
    server: LiveServer, account: SuiteAccount, version: str, decision: str, status: str
) -> None:
    handle = f"held-{secrets.token_hex(4)}"
    with http_client(server, **{"X-API-Key": account.api_key or ""}) as admin:
        address = admin.post("/api/v1/identities", json={"agent_handle": handle}).json()["email_address"]
        admin.patch(f"/api/v1/mail/mailboxes/{address}", json={"approval_required": True}).raise_for_status()
    inputs: dict[str, Any] = {"base_url": server.base_url, "api_key": account.api_key, "handle": handle, "to": TO}

    sent = run_client(version, "mail_approval", **inputs, message_id="")
    with http_client(server) as person:
        sign_in(person, account)
        waiting = person.get("/console/approvals").text
        form = person.get(f"/console/approvals/{sent['id']}")
        answer = person.post(f"/console/approvals/{sent['id']}{decision}", data=token_of(form))
    decided = run_client(version, "mail_approval", **inputs, message_id=sent["id"])

    held = {"id": sent["id"], "status": "queued", "to": [TO]}
    assert sent == held | {"read": held, "listed": [held]}
    assert sent["id"] in waiting
    assert answer.status_code == 302
    assert decided == held | {"status": status}


def sign_in(person: httpx.Client, account: SuiteAccount) -> None:
    form = person.get("/accounts/login/")
    credentials = {"login": account.email_address, "password": account.password}
    answer = person.post("/accounts/login/", data=credentials | token_of(form))
    assert answer.status_code == 302, answer.text


def token_of(page: httpx.Response) -> dict[str, str]:
    """The field that every form of the console needs."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return {"csrfmiddlewaretoken": found[1]}
