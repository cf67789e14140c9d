"""The published clients exchange mail between two agents of one organization."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

# Every byte value, longer than one line of base64.
ATTACHMENT = bytes(range(256)) * 8


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_mail_loop(server: LiveServer, version: str) -> None:
    result = mail_loop(version, server.base_url, server.bootstrap.api_key)

    assert result["organization_id"] == server.bootstrap.organization_id
    check_mail_loop(result)


def test_mail_loop_of_the_seed_generation(server: LiveServer, account: SuiteAccount) -> None:
    """Below the prefix of the seed profile, where a mailbox is made only on request."""
    assert account.api_key is not None

    result = mail_loop(SEED, f"{server.base_url}/compat/0.3", account.api_key)

    assert result["organization_id"] == account.org_id
    check_mail_loop(result)


def mail_loop(version: str, base_url: str, api_key: str) -> dict[str, Any]:
    suffix = secrets.token_hex(4)
    alpha, bravo = f"alpha-{suffix}", f"bravo-{suffix}"
    result = run_client(
        version,
        "mail_loop",
        base_url=base_url,
        api_key=api_key,
        alpha=alpha,
        bravo=bravo,
        attachment_base64=base64.b64encode(ATTACHMENT).decode(),
    )
    return result | {"created": [alpha, bravo]}


def check_mail_loop(result: dict[str, Any]) -> None:
    alpha, bravo = result["addresses"]
    assert result["handles_before"] == []
    assert result["handles"] == result["created"]

    assert result["question"]["direction"] == "outbound"
    assert result["received"]["direction"] == "inbound"
    assert result["received"]["subject"] == "Grüße from alpha"
    assert result["received"]["body_text"].rstrip() == "Are you there?"
    assert result["received"]["from_address"] == alpha
    assert result["received"]["to_addresses"] == [bravo]
    assert result["answer"]["direction"] == "inbound"
    assert result["answer"]["body_text"].rstrip() == "I am here."
    assert result["answer"]["from_address"] == bravo

    # By relevance, then newest first; accents and case do not matter, exclusions and phrases do.
    assert result["found"] == ["Re: Grüße from alpha", "Grüße from alpha"]
    assert result["found_phrase"] == ["Grüße from alpha"]
    assert result["found_sent"] == ["Re: Grüße from alpha", "Grüße from alpha"]
    assert result["not_found"] == []

    # One thread on each side, oldest message first; a thread belongs to one mailbox.
    (alpha_thread,) = result["alpha_threads"]
    (bravo_thread,) = result["bravo_threads"]
    assert alpha_thread["messages"] == [
        ["outbound", "Grüße from alpha"],
        ["inbound", "Re: Grüße from alpha"],
    ]
    assert bravo_thread["messages"] == [
        ["inbound", "Grüße from alpha"],
        ["outbound", "Re: Grüße from alpha"],
    ]
    assert alpha_thread["message_count"] == 2
    assert bravo_thread["message_count"] == 2
    assert alpha_thread["id"] == result["question"]["thread_id"] == result["answer"]["thread_id"]
    assert bravo_thread["id"] == result["received"]["thread_id"]
    assert alpha_thread["id"] != bravo_thread["id"]

    assert result["received"]["id"] in result["unread_before"]
    assert result["received"]["id"] not in result["unread_after"]
    assert result["is_read"] is True
    assert result["is_starred"] == [True, False]

    assert result["has_attachments"] is True
    assert result["attachment_filename"] == "report ü.bin"
    assert result["expires_in"] > 0
    assert result["download_status"] == 200
    assert base64.b64decode(result["download_base64"]) == ATTACHMENT
    assert result["status_after_delete"] == 404
    assert result["subjects_after_delete"] == ["Grüße from alpha", "Re: Grüße from alpha"]

    assert result["handles_after"] == []
