"""Who may call what: every note route with every kind of caller."""

from __future__ import annotations

from typing import Any

import pytest

from identities.enums import Role
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.factories.notes import note
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

# granted: an agent that may see the note; sibling: one that may not.
CALLERS = ("admin", "owner", "member", "granted", "unclaimed", "sibling", "foreign", "no_org", "nobody")


def _world() -> tuple[dict[str, ApiClient], dict[str, str]]:
    acme = organization()
    granted, sibling, newcomer = agent(acme), agent(acme), unclaimed_agent(acme)
    row = note(acme, "secret", granted)
    clients = {
        "admin": admin_client(acme),
        "owner": session_client(acme, Role.OWNER),
        "member": session_client(acme, Role.MEMBER),
        "granted": agent_client(granted),
        "unclaimed": agent_client(newcomer),
        "sibling": agent_client(sibling),
        "foreign": admin_client(organization()),
        "no_org": ApiClient(bearer=session(None)),
        "nobody": nobody(),
    }
    return clients, {"note": str(row.pk), "granted": str(granted.pk), "sibling": str(sibling.pk)}


_ANY = (200, 200, 200, 200, 403, 200, 200, 403, 401)
_GRANT = {"identity_id": "{sibling}"}
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "create": ("POST", "/notes", {"body": "x"}, (201, 201, 201, 201, 403, 201, 201, 403, 401)),
    "list": ("GET", "/notes", None, _ANY),
    "search": ("GET", "/notes?q=secret", None, _ANY),
    "get": ("GET", "/notes/{note}", None, (200, 200, 200, 200, 403, 404, 404, 403, 401)),
    "change": ("PATCH", "/notes/{note}", {"body": "y"}, (200, 200, 200, 200, 403, 404, 404, 403, 401)),
    "delete": ("DELETE", "/notes/{note}", None, (204, 204, 204, 204, 403, 404, 404, 403, 401)),
    "list access": ("GET", "/notes/{note}/access", None, (200, 200, 200, 200, 403, 404, 404, 403, 401)),
    "grant": ("POST", "/notes/{note}/access", _GRANT, (201, 201, 403, 403, 403, 403, 404, 403, 401)),
    "revoke": ("DELETE", "/notes/{note}/access/{granted}", None, (204, 204, 403, 204, 403, 404, 404, 403, 401)),
}


@pytest.mark.parametrize("number", range(len(CALLERS)), ids=CALLERS)
@pytest.mark.parametrize("route", MATRIX)
def test_who_may_call_what(route: str, number: int) -> None:
    method, path, body, statuses = MATRIX[route]
    clients, values = _world()
    filled = {name: text.format(**values) for name, text in body.items()} if body else None
    before = all_rows()

    answer = clients[CALLERS[number]].call(method, path.format(**values), filled)

    assert answer.status_code == statuses[number], answer.content
    if statuses[number] >= 400:
        assert isinstance(answer.json()["detail"], str)
    if statuses[number] >= 400 or method == "GET":
        assert all_rows() == before


def test_lists_show_only_what_the_caller_may_see() -> None:
    clients, _ = _world()

    counts = {name: len(clients[name].get("/notes?q=secret").json()) for name in ("admin", "member", "granted")}

    assert counts == {"admin": 1, "member": 1, "granted": 1}
    assert clients["sibling"].get("/notes").json() == clients["foreign"].get("/notes").json() == []


def test_what_others_own_looks_like_what_does_not_exist() -> None:
    clients, values = _world()

    foreign = clients["foreign"].get(f"/notes/{values['note']}")
    missing = clients["foreign"].get("/notes/00000000-0000-7000-8000-000000000000")

    assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)
