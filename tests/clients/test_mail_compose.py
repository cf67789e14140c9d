"""The published clients forward, reply to all, track opens, and write drafts."""

from __future__ import annotations

import secrets

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


def handles(*names: str) -> list[str]:
    return [f"{name}-{secrets.token_hex(4)}" for name in names]


@pytest.mark.parametrize(("version", "prefix"), [(NEWEST, ""), (OLDEST, ""), (SEED, "/compat/0.3")])
def test_forwarding(server: LiveServer, account: SuiteAccount, version: str, prefix: str) -> None:
    names = handles("alpha", "bravo", "carol")

    result = run_client(
        version, "mail_forward", base_url=f"{server.base_url}{prefix}", api_key=account.api_key, handles=names
    )

    inline, wrapped = result["received_inline"], result["received_wrapped"]
    assert (result["inline"]["subject"], result["wrapped"]["subject"]) == ("Fwd: Plan", "Wrapped")
    assert result["source_thread"] not in (result["inline"]["thread"], result["wrapped"]["thread"])
    assert inline["body_text"].startswith("FYI\n\n---------- Forwarded message ----------\nFrom: ")
    assert "See the file." in inline["body_text"]
    assert inline["files"] == [["plan.txt", "text/plain"]]
    assert wrapped["files"] == [["Plan.eml", "message/rfc822"]]


def test_reply_all_tracking_and_drafts(server: LiveServer, account: SuiteAccount) -> None:
    result = run_client(
        NEWEST,
        "mail_drafts",
        base_url=server.base_url,
        api_key=account.api_key,
        handles=handles("alpha", "bravo"),
    )

    alpha, _ = result["addresses"]
    assert result["reply"] == {
        "shown": [[alpha], ["ops@customer.example"]],
        "sent": [[alpha], ["ops@customer.example"]],
        "subject": "Re: Question",
        "is_same_thread": True,
        "is_replayed": True,
    }
    assert result["opens"] == {
        "stored_html": "<p>Hello.</p>",
        "counts": [0, 1],
        "is_opened": [False, True],
        "statuses": [200, 200],
    }
    assert result["draft"] == {
        "is_same": True,
        "generations": [1, 2, 3, 4, 1],
        "conflict": [409, "draft_generation_conflict"],
        "download": ["ü.txt", "text/plain", "hi"],
        "files": ["ü.txt"],
        "is_listed": True,
        "is_sent_once": True,
        "gone": [404, None],
        "left": [],
        "received": "Hello from a draft.",
    }
    assert (result["forward"]["source"], result["forward"]["subject"]) == (True, "Fwd: Draft")
    assert result["forward"]["received"].startswith("FYI\n\n---------- Forwarded message")
