"""Who may call what: every route of this app with every kind of caller."""

from __future__ import annotations

from dataclasses import dataclass
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
from tests.factories.vault import material, new_vault_body, secret_body, secret_of, vault_of
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

CALLERS = ("admin", "owner", "manager", "member", "claimed", "unclaimed", "sibling", "foreign", "no_org", "nobody")


@dataclass(frozen=True)
class World:
    """Clients by name, and what their paths and bodies are filled with: a secret granted to `claimed` and others."""

    clients: dict[str, ApiClient]
    names: dict[str, str]


def _world(*, has_vault: bool) -> World:
    acme, other = organization(), organization()
    alpha, newcomer, sibling = agent(acme, "alpha"), unclaimed_agent(acme, "newcomer"), agent(acme, "sibling")
    body = new_vault_body()
    names = {"alpha": str(alpha.pk), "bravo": str(agent(acme).pk), "auth_hash": body["vault_key"]["auth_hash"]}
    if has_vault:
        vault_of(other)
        secret = secret_of(vault_of(acme, body), alpha, newcomer)
        names |= {"secret": str(secret.pk), "recovery": body["recovery_keys"][0]["auth_hash"]}
    clients = {
        "admin": admin_client(acme),
        "owner": session_client(acme, Role.OWNER),
        "manager": session_client(acme, Role.ADMIN),
        "member": session_client(acme, Role.MEMBER),
        "claimed": agent_client(alpha),
        "unclaimed": agent_client(newcomer),
        "sibling": agent_client(sibling),
        "foreign": admin_client(other),
        "no_org": ApiClient(bearer=session(None)),
        "nobody": nobody(),
    }
    return World(clients, names)


_READ = (200, 200, 200, 200, 200, 403, 200, 200, 403, 401)
_READ_ONE = (200, 200, 200, 200, 200, 403, 404, 404, 403, 401)
_CHANGE = material(current_auth_hash="{auth_hash}")
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "info": ("GET", "/vault/info", None, _READ),
    "unlock": ("GET", "/vault/unlock?auth_hash={auth_hash}", None, _READ),
    "unlock without hash": ("GET", "/vault/unlock", None, _READ),
    "delete vault": ("DELETE", "/vault", None, (403, 204, 204, 403, 403, 403, 403, 403, 403, 401)),
    "audit": ("GET", "/vault/audit", None, (200, 200, 200, 403, 403, 403, 403, 200, 403, 401)),
    "list keys": ("GET", "/vault/keys", None, _READ),
    "add key": ("POST", "/vault/keys", material(), (201, 201, 201, 403, 403, 403, 403, 201, 403, 401)),
    "change key": ("PUT", "/vault/keys/primary", _CHANGE, (200, 200, 200, 403, 403, 403, 403, 403, 403, 401)),
    "delete key": ("DELETE", "/vault/keys/{recovery}", None, (204, 204, 204, 403, 403, 403, 403, 404, 403, 401)),
    "list secrets": ("GET", "/vault/secrets", None, _READ),
    "create secret": ("POST", "/vault/secrets", secret_body(), (201, 201, 201, 403, 201, 403, 201, 201, 403, 401)),
    "get secret": ("GET", "/vault/secrets/{secret}", None, _READ_ONE),
    "update secret": (
        "PATCH",
        "/vault/secrets/{secret}",
        {"name": "New"},
        (200, 200, 200, 403, 200, 403, 404, 404, 403, 401),
    ),
    "delete secret": (
        "DELETE",
        "/vault/secrets/{secret}",
        None,
        (204, 204, 204, 403, 204, 403, 404, 404, 403, 401),
    ),
    "list access": ("GET", "/vault/secrets/{secret}/access", None, _READ_ONE),
    "grant": (
        "POST",
        "/vault/secrets/{secret}/access",
        {"identity_id": "{bravo}"},
        (201, 201, 201, 403, 403, 403, 404, 404, 403, 401),
    ),
    "revoke": (
        "DELETE",
        "/vault/secrets/{secret}/access/{alpha}",
        None,
        (204, 204, 204, 403, 204, 403, 404, 404, 403, 401),
    ),
    # Before there is a vault.
    "initialize": (
        "POST",
        "/vault/initialize",
        new_vault_body(),
        (201, 201, 201, 403, 403, 403, 403, 201, 403, 401),
    ),
}
CASES = [
    pytest.param(route, name, status, id=f"{route}-{name}")
    for route, (_, _, _, statuses) in MATRIX.items()
    for name, status in zip(CALLERS, statuses, strict=True)
]
# What a refusal or a read may leave behind.
_AUDIT = "vault.VaultAuditEntry"


def _fill(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _fill(inner, names) for name, inner in value.items()}
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize(("route", "name", "status"), CASES)
def test_matrix(route: str, name: str, status: int) -> None:
    method, path, body, _ = MATRIX[route]
    world = _world(has_vault=route != "initialize")
    before = all_rows()

    answer = world.clients[name].call(method, _fill(path, world.names), _fill(body, world.names))

    assert answer.status_code == status, answer.content
    after = all_rows()
    if method == "GET" or status >= 400:
        assert {**after, _AUDIT: []} == {**before, _AUDIT: []}
    if status >= 400:
        assert answer.json()["detail"]
        # Written down is only a hash that fitted no key.
        assert len(after[_AUDIT]) - len(before[_AUDIT]) == (route in ("change key", "delete key") and name == "foreign")


@pytest.mark.parametrize("path", ["/vault/info", "/vault/keys", "/vault/keys/primary", "/vault/secrets"])
def test_other_methods_are_not_allowed(path: str) -> None:
    client = admin_client()

    assert client.call("DELETE" if path != "/vault/keys/primary" else "PATCH", path).status_code == 405


@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
def test_the_first_generation_uses_the_same_routes(prefix: str) -> None:
    acme = organization()
    vault_of(acme)
    client = admin_client(acme, prefix=prefix)

    assert client.get("/vault/info").status_code == 200
    assert client.get("/vault/secrets/").json() == []
