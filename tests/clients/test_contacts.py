"""The published clients keep an address book."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.mark.parametrize("version", [NEWEST, OLDEST, SEED])
def test_contacts(server: LiveServer, account: SuiteAccount, version: str) -> None:
    suffix = secrets.token_hex(4)
    result = run_client(
        version,
        "contacts",
        base_url=server.base_url + ("/compat/0.3" if version == SEED else ""),
        api_key=account.api_key,
        alpha=f"alpha-{suffix}",
        bravo=f"bravo-{suffix}",
    )

    check_contacts(result["crud"], is_newest=version == NEWEST)
    if version == NEWEST:
        assert result["access"] == {"listed": [None]}
    else:
        check_grants(result["access"], *result["ids"])


def check_contacts(found: dict[str, Any], *, is_newest: bool) -> None:
    review = found.pop("review", None)
    assert found == {
        "made": ["Ada Lovelace", "1815-12-10", "ada@example.com", "+14155550100"],
        "lists": ["https://ada.example/", "1835-07-08", "SW1Y", "Numbers"],
        "wildcard": [None],
        "same": "Ada Lovelace",
        "changed": ["Poet", None, [], "Ada"],
        "by_name": ["Ada Lovelace", "Bob"],
        "recent": ["Bob"],
        "page": ["Bob"],
        "found": ["Ada Lovelace"],
        "lookups": [["Bob"], ["Bob"], ["Bob"], ["Ada Lovelace"], ["Ada Lovelace"], []],
        "nameless": 400,
        "invalid": 422,
        "gone": 404,
    }
    assert review == (["unreviewed", False, ["Bob"], "manual", "manual"] if is_newest else None)


def check_grants(found: dict[str, Any], alpha: str, bravo: str) -> None:
    assert found == {
        "redundant": [409, "redundant_grant", True],
        "after_revoke": [bravo],
        "granted": alpha,
        "again": 409,
        "wildcard": None,
        "hidden": [],
        "listed": [alpha],
    }


@pytest.mark.parametrize("version", [NEWEST, OLDEST, SEED])
def test_cards(server: LiveServer, account: SuiteAccount, version: str) -> None:
    base_url = server.base_url + ("/compat/0.3" if version == SEED else "")

    found = run_client(version, "contacts_cards", base_url=base_url, api_key=account.api_key)

    newer = {name: found.pop(name) for name in ("several", "conflict") if name in found}
    assert found == {
        "counts": [1, 2],
        "statuses": ["created", "error", "conflict"],
        "made": "Ada Lovelace",
        "is_primary": True,
        "export": [True, True],
        "no_cards": 422,
        "gone": 404,
    }
    assert newer == ({"several": ["text/vcard; charset=utf-8", 2, True], "conflict": True} if version == NEWEST else {})


def test_facts_merges_permissions_policies_and_timelines(server: LiveServer, account: SuiteAccount) -> None:
    suffix = secrets.token_hex(4)
    found = run_client(
        NEWEST,
        "contacts_people",
        base_url=server.base_url,
        api_key=account.api_key,
        alpha=f"alpha-{suffix}",
        bravo=f"bravo-{suffix}",
    )

    assert found.pop("facts") == {
        "made": ["Likes tea", "user", "preference"],
        "changed": "Likes coffee",
        "listed": ["Asked for tea", "Likes coffee", "Writes programs"],
        "citation": ["available", True],
        "deleted": [True, 2],
        "summary": 2,
    }
    assert found.pop("merge") == {
        "emails": ["ada@one.example", "ada@two.example"],
        "name": "Augusta",
        "deleted": [1, ["deleted", "error"]],
    }
    assert found.pop("permissions") == {
        "first": {"ada@p.example": True, "ada@q.example": False},
        "second": [{"+14155550100": False}, {"+14155550100": True}, False],
        "third": [False, False, False],
        "refused": 403,
    }
    assert found.pop("access") == {
        "first": [True, ["ada@r.example"], True],
        "second": [["ada@r.example"], []],
        "third": [False, []],
        "listed": [None],
    }
    assert found.pop("policy") == {
        "before": ["inherit", True],
        "after": [1, "block", False],
        "stale": 409,
        "preview": ["Grace", False, True],
        "roster": [["Grace", "none", []]],
        "visible": [1, True],
        "without_identity": None,
    }
    assert found.pop("timeline") == {
        "items": ["Second", "outbound", "email", [found["address"]], "Hello."],
        "channels": [
            ["email", "available", 1],
            ["sms", "no_resource", 0],
            ["imessage", "no_resource", 0],
            ["calls", "no_resource", 0],
            ["slack", "no_resource", 0],
        ],
        "second": [["Source"], None],
        "nobody": 422,
    }
