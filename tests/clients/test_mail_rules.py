"""The published clients manage mailboxes, contact rules and threads, and look up what they sent."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest

from tests.clients.environments import NEWEST, OLDEST
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_mail_rules(server: LiveServer, version: str) -> None:
    suffix = secrets.token_hex(4)
    result = run_client(
        version,
        "mail_rules",
        base_url=server.base_url,
        api_key=server.bootstrap.api_key,
        alpha=f"alpha-{suffix}",
        bravo=f"bravo-{suffix}",
    )

    is_newest = version == NEWEST
    check_mailbox(result["mailbox"], has_signature=is_newest)
    check_rules(result, has_directions=is_newest)
    assert result["enforced"] == {
        "refused": [403, True, f"bravo-{suffix}@mail.localhost", True],
        "folder": "blocked",
        "moved": "inbox",
    }
    assert result["threads"] == {
        "folder": "inbox",
        "archived": "archive",
        "unchanged": "archive",
        "folders": ["archive", "inbox"],
        "in_archive": ["Wanted"],
        "left": ["Unwanted"],
    }
    assert result["lookup"] == ({"found": [True, True], "unknown": 404} if is_newest else None)


def check_mailbox(found: dict[str, Any], *, has_signature: bool) -> None:
    assert found["listed"] is True
    assert (found["filter_mode"], found["back"]) == ("whitelist", "blacklist")
    assert found["notice"] == ["whitelist", "block", 1]
    assert found["notice_without_change"] is None
    if has_signature:
        assert found["signature"] == ["<p>Alpha<br>Example Org</p>", "Alpha\nExample Org", True]
        assert found["cleared"] == [None, None, False]


def check_rules(result: dict[str, Any], *, has_directions: bool) -> None:
    found = result["rules"]
    made = found["made"]
    assert made["mailbox_id"] == result["mailbox_id"]
    assert (made["action"], made["match_type"], made["match_target"]) == ("block", "domain", "spam.example")
    assert made["status"] == "active"
    assert found["duplicate"] == [409, made["id"]]
    assert found["got"] == made
    assert found["listed"] == found["organization"] == [made]
    assert found["page_after"] == []
    assert (found["changed"]["id"], found["changed"]["action"]) == (made["id"], "allow")
    assert found["status_after_delete"] == 404
    assert found["left"] == []
    if not has_directions:
        assert found["paused"] == {**made, "status": "paused"}
        assert result["identity_rules"] is None
        return
    assert found["split"] == {**made, "action": "allow", "direction": "inbound"}
    assert [(one["action"], one["direction"]) for one in found["outbound"]] == [("block", "outbound")]
    assert found["merged"] == {**made, "action": "allow", "direction": "both"}
    by_identity = result["identity_rules"]
    assert by_identity["same_id"] is True
    assert by_identity["extended"]["agent_identity_id"] == result["id"]
    assert by_identity["extended"]["direction"] == "both"
    assert by_identity["got"] == by_identity["extended"]
    assert by_identity["listed"] == by_identity["organization"] == [by_identity["extended"]]
    assert by_identity["changed"] == {**by_identity["extended"], "action": "block"}
    assert by_identity["left"] == 0


def test_mailboxes_of_the_seed_generation(server: LiveServer, account: SuiteAccount) -> None:
    """The requests of 0.3.1, by raw HTTP: mailboxes and identities are made and linked by themselves."""
    assert account.api_key is not None
    suffix = secrets.token_hex(4)
    base = f"{server.base_url}/compat/0.3/api/v1"
    with httpx.Client(base_url=base, headers={"X-API-Key": account.api_key}) as client:
        client.post("/identities/", json={"agent_handle": f"alpha-{suffix}"}).raise_for_status()
        client.post("/identities/", json={"agent_handle": f"bravo-{suffix}"}).raise_for_status()

        made = client.post("/mail/mailboxes", json={"agent_handle": f"alpha-{suffix}", "display_name": "Alpha"})
        address = made.json()["email_address"]
        renamed = client.patch(
            f"/mail/mailboxes/{address}", json={"display_name": "Ms Alpha", "webhook_url": "https://hooks.example.com/"}
        )
        paused_rule = client.post(
            f"/mail/mailboxes/{address}/contact-rules",
            json={"action": "block", "match_type": "domain", "match_target": "spam.example"},
        )
        paused = client.patch(
            f"/mail/mailboxes/{address}/contact-rules/{paused_rule.json()['id']}", json={"status": "paused"}
        )
        moved = client.post(f"/identities/bravo-{suffix}/mailbox", json={"mailbox_id": made.json()["id"]})
        unlinked = client.delete(f"/identities/bravo-{suffix}/mailbox")
        alone = client.get(f"/mail/mailboxes/{address}")
        deleted = client.delete(f"/mail/mailboxes/{address}")

        assert (made.status_code, made.json()["display_name"]) == (201, "Alpha")
        assert (renamed.json()["display_name"], renamed.json()["webhook_url"]) == (
            "Ms Alpha",
            "https://hooks.example.com/",
        )
        assert (paused.status_code, paused.json()["status"]) == (200, "paused")
        assert (moved.status_code, moved.json()["mailbox"]["email_address"]) == (200, address)
        assert unlinked.status_code == 204
        assert (alone.json()["agent_identity_id"], alone.json()["status"]) == (None, "active")
        assert deleted.status_code == 204
        assert client.get(f"/mail/mailboxes/{address}").status_code == 404
