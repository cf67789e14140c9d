"""Who may call what: every route of contacts with every kind of caller (contract contacts-notes.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from contacts.models import ContactFact
from identities.enums import Role
from tests.factories.contacts import contact
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
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

CALLERS = ("admin", "owner", "member", "claimed", "unclaimed", "sibling", "foreign", "no_org", "nobody")


@dataclass(frozen=True)
class World:
    """Clients by name, and the contact they speak of: alpha sees it, its sibling does not."""

    clients: dict[str, ApiClient]
    values: dict[str, str]


def _world() -> World:
    acme, other = organization(), organization()
    alpha, sibling, spare = agent(acme, "alpha"), agent(acme, "sibling"), agent(acme, "spare")
    row = contact(acme, "Ada", emails=["ada@example.com"], access=[alpha.pk])
    loser = contact(acme, "Ada King", access=[alpha.pk])
    fact = ContactFact.objects.create(contact=row, content="Likes tea", kind="preference", origin="user")
    values = {
        "fact": str(fact.pk),
        "contact": str(row.pk),
        "loser": str(loser.pk),
        "alpha": str(alpha.pk),
        "spare": str(spare.pk),
    }
    clients = {
        "admin": admin_client(acme),
        "owner": session_client(acme, Role.OWNER),
        "member": session_client(acme, Role.MEMBER),
        "claimed": agent_client(alpha),
        "unclaimed": agent_client(unclaimed_agent(acme, "newcomer")),
        "sibling": agent_client(sibling),
        "foreign": admin_client(other),
        "no_org": ApiClient(bearer=session(None)),
        "nobody": nobody(),
    }
    return World(clients, values)


def _seen(status: int) -> tuple[int, ...]:
    """Everybody who sees the contact."""
    return (status, status, status, status, 403, 404, 404, 403, 401)


def _any(status: int) -> tuple[int, ...]:
    """Every claimed caller with an organization."""
    return (status, status, status, status, 403, status, status, 403, 401)


def _managers(status: int) -> tuple[int, ...]:
    return (status, status, 403, 403, 403, 403, 404, 403, 401)


def _people(status: int) -> tuple[int, ...]:
    """Admin keys and members."""
    return (status, status, status, 403, 403, 403, 404, 403, 401)


_ONE = "/contacts/{contact}"
_BETWEEN = "/identities/alpha/contacts/{contact}"
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "list": ("GET", "/contacts", None, _any(200)),
    "create": ("POST", "/contacts", {"given_name": "Bob"}, _any(201)),
    "look up": ("GET", "/contacts/lookup?email=ada@example.com", None, _any(200)),
    "get": ("GET", _ONE, None, _seen(200)),
    "change": ("PATCH", _ONE, {"notes": "x"}, _seen(200)),
    "delete": ("DELETE", _ONE, None, _seen(204)),
    "list access": ("GET", f"{_ONE}/access", None, _seen(200)),
    "grant access": ("POST", f"{_ONE}/access", {"identity_id": None}, _managers(201)),
    "revoke access": ("DELETE", f"{_ONE}/access/{{alpha}}", None, (204, 204, 403, 204, 403, 404, 404, 403, 401)),
    "list facts": ("GET", f"{_ONE}/facts", None, _seen(200)),
    "get fact": ("GET", f"{_ONE}/facts/{{fact}}", None, _seen(200)),
    "create fact": ("POST", f"{_ONE}/facts", {"content": "x", "kind": "profile"}, _managers(201)),
    "change fact": ("PATCH", f"{_ONE}/facts/{{fact}}", {"content": "x"}, _managers(200)),
    "delete fact": ("DELETE", f"{_ONE}/facts/{{fact}}", None, _managers(200)),
    "get citation": ("GET", f"{_ONE}/facts/{{fact}}/citations/{{fact}}", None, _seen(404)),
    "correspondence": (
        "GET",
        f"{_ONE}/correspondence?identity_id={{alpha}}",
        None,
        (200, 200, 200, 200, 403, 404, 404, 403, 401),
    ),
    "get policy": ("GET", f"{_ONE}/communication-policy?identity_id={{alpha}}", None, _people(200)),
    "replace policy": (
        "PUT",
        f"{_ONE}/communication-policy",
        {"expected_revision": 0, "identity_id": "{alpha}", "addresses": []},
        _managers(200),
    ),
    "preview": ("GET", f"{_ONE}/communication-preview?identity_id={{alpha}}", None, _people(200)),
    "create with permissions": (
        "POST",
        "/contacts/with-permissions",
        {"given_name": "Bob", "permissions": {"identity_id": "{alpha}", "memories": False}},
        _managers(201),
    ),
    "get permissions": ("GET", f"{_BETWEEN}/permissions", None, _people(200)),
    "change permissions": ("PATCH", f"{_BETWEEN}/permissions", {"memories": False}, _managers(200)),
    "get access settings": ("GET", f"{_BETWEEN}/access", None, _people(200)),
    "change access settings": ("PATCH", f"{_BETWEEN}/access", {"memories": False}, _managers(200)),
    "list permissions": ("GET", "/identities/alpha/contact-permissions", None, _people(200)),
    "list policies": (
        "GET",
        "/identities/alpha/contact-communication-policies",
        None,
        (200, 200, 200, 200, 403, 404, 404, 403, 401),
    ),
    "merge": ("POST", f"{_ONE}/merge", {"losing_contact_ids": ["{loser}"]}, _managers(200)),
    "delete several": ("POST", "/contacts/bulk-delete", {"contact_ids": ["{contact}"]}, _any(200)),
    "export one": ("GET", f"{_ONE}.vcf", None, _seen(200)),
    "export": ("POST", "/contacts/vcard-export", {"contact_ids": ["{contact}"]}, _seen(200)),
    # The client of this test sends JSON: whoever gets as far as the file is told that it is none.
    "import": ("POST", "/contacts/import", None, _any(415)),
    "revoke a peer's access": (
        "DELETE",
        f"{_ONE}/access/{{spare}}",
        None,
        (404, 404, 403, 403, 403, 404, 404, 403, 401),
    ),
}


@pytest.mark.parametrize("number", range(len(CALLERS)), ids=CALLERS)
@pytest.mark.parametrize("route", MATRIX)
def test_who_may_call_what(route: str, number: int) -> None:
    method, path, body, statuses = MATRIX[route]
    world = _world()
    before = all_rows()

    response = world.clients[CALLERS[number]].call(method, _filled(path, world.values), _filled(body, world.values))

    assert response.status_code == statuses[number], response.content
    if statuses[number] >= 400:
        assert isinstance(response.json()["detail"], str)
        assert all_rows() == before


def _filled(template: Any, values: dict[str, str]) -> Any:
    if isinstance(template, str):
        return template.format(**values) if "{" in template else template
    if isinstance(template, list):
        return [_filled(one, values) for one in template]
    if isinstance(template, dict):
        return {name: _filled(one, values) for name, one in template.items()}
    return template


def test_what_others_own_looks_like_what_does_not_exist() -> None:
    world = _world()

    foreign = world.clients["foreign"].get(f"/contacts/{world.values['contact']}")
    hidden = world.clients["sibling"].get(f"/contacts/{world.values['contact']}")
    missing = world.clients["admin"].get("/contacts/nobody")

    assert foreign.content == hidden.content == missing.content
    assert world.clients["foreign"].get("/contacts/lookup?email=ada@example.com").json() == []
    assert world.clients["sibling"].get("/contacts").json() == []
