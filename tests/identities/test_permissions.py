"""Who may call what: every route of this app with every kind of caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from identities.enums import Role
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_key,
    agent,
    agent_client,
    key_row,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

CALLERS = ("admin", "owner", "manager", "member", "claimed", "unclaimed", "sibling", "foreign", "no_org", "nobody")


@dataclass(frozen=True)
class Caller:
    """A client, and the handle it speaks of: its own for agents, alpha's for everybody else."""

    client: ApiClient
    handle: str
    identity_id: str
    key_id: str


def _world() -> dict[str, Caller]:
    acme, other = organization(), organization()
    alpha, newcomer, sibling = agent(acme, "alpha"), unclaimed_agent(acme, "newcomer"), agent(acme, "sibling")
    target = key_row(admin_key(acme)).pk

    def speaks_of(client: ApiClient, identity: Any = alpha) -> Caller:
        return Caller(client, identity.agent_handle, str(identity.pk), target)

    return {
        "admin": speaks_of(admin_client(acme)),
        "owner": speaks_of(session_client(acme, Role.OWNER)),
        "manager": speaks_of(session_client(acme, Role.ADMIN)),
        "member": speaks_of(session_client(acme, Role.MEMBER)),
        "claimed": speaks_of(agent_client(alpha)),
        "unclaimed": speaks_of(agent_client(newcomer), newcomer),
        "sibling": speaks_of(agent_client(sibling)),
        "foreign": speaks_of(admin_client(other)),
        "no_org": speaks_of(ApiClient(bearer=session(None))),
        "nobody": speaks_of(nobody()),
    }


_EVERYONE = (200, 200, 200, 200, 200, 200, 200, 200, 403, 401)
_READ_ONE = (200, 200, 200, 200, 200, 200, 404, 404, 403, 401)
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "create identity": (
        "POST",
        "/identities",
        {"agent_handle": "brand-new"},
        (201, 201, 201, 403, 403, 403, 403, 201, 403, 401),
    ),
    "list identities": ("GET", "/identities", None, _EVERYONE),
    "get identity": ("GET", "/identities/{handle}", None, _READ_ONE),
    "update identity": (
        "PATCH",
        "/identities/{handle}",
        {"description": "new"},
        (200, 200, 200, 403, 200, 200, 404, 404, 403, 401),
    ),
    "rename identity": (
        "PATCH",
        "/identities/{handle}",
        {"agent_handle": "renamed"},
        (200, 200, 200, 403, 200, 200, 404, 404, 403, 401),
    ),
    "change filter modes": (
        "PATCH",
        "/identities/{handle}",
        {"mail_filter_mode": "whitelist"},
        (200, 200, 200, 403, 403, 403, 404, 404, 403, 401),
    ),
    "delete identity": (
        "DELETE",
        "/identities/{handle}",
        None,
        (204, 204, 204, 403, 204, 204, 404, 404, 403, 401),
    ),
    "rotate identity signing key": (
        "POST",
        "/identities/{handle}/signing-key",
        {},
        (201, 201, 201, 403, 201, 201, 404, 404, 403, 401),
    ),
    "get identity signing key": ("GET", "/identities/{handle}/signing-key", None, _READ_ONE),
    "list access": ("GET", "/identities/{handle}/access", None, (200, 200, 200, 200, 403, 403, 403, 404, 403, 401)),
    "open to all": ("POST", "/identities/{handle}/access", {}, (201, 201, 201, 403, 403, 403, 403, 404, 403, 401)),
    "close to all": (
        "DELETE",
        "/identities/{handle}/access/*",
        None,
        (404, 404, 404, 403, 403, 403, 403, 404, 403, 401),
    ),
    "rotate signing key": ("POST", "/signing-keys", {}, (201, 201, 201, 403, 201, 201, 201, 201, 403, 401)),
    "get signing key": ("GET", "/signing-keys", None, _EVERYONE),
    "mint agent key": (
        "POST",
        "/api-keys",
        {"label": "ci", "scoped_identity_id": "{identity_id}"},
        (201, 201, 201, 403, 403, 403, 403, 404, 403, 401),
    ),
    "mint admin key": ("POST", "/api-keys", {"label": "ci"}, (403, 201, 201, 403, 403, 403, 403, 403, 403, 401)),
    "list keys": ("GET", "/api-keys", None, (200, 200, 200, 200, 403, 403, 403, 200, 403, 401)),
    "own key": ("GET", "/api-keys/self", None, (200, 403, 403, 403, 200, 200, 200, 200, 403, 401)),
    "revoke key": ("DELETE", "/api-keys/{key_id}", None, (204, 204, 204, 403, 403, 403, 403, 404, 403, 401)),
    "whoami": ("GET", "/api/whoami", None, (200, 200, 200, 200, 200, 200, 200, 200, 200, 401)),
    "whoami v1": ("GET", "/whoami", None, (200, 200, 200, 200, 200, 200, 200, 200, 200, 401)),
    "testing account": (
        "POST",
        "/testing/create-test-user-organization",
        {"create_api_key": True},
        (401, 401, 401, 401, 401, 401, 401, 401, 401, 401),
    ),
    "testing session": (
        "POST",
        "/testing/create-session-jwt",
        {"user_id": "user_x", "org_id": "org_x"},
        (401, 401, 401, 401, 401, 401, 401, 401, 401, 401),
    ),
    "testing clean-up": (
        "POST",
        "/testing/cleanup-test-user-organization",
        {"accounts": []},
        (401, 401, 401, 401, 401, 401, 401, 401, 401, 401),
    ),
}
CASES = [
    pytest.param(route, name, status, id=f"{route}-{name}")
    for route, (_, _, _, statuses) in MATRIX.items()
    for name, status in zip(CALLERS, statuses, strict=True)
]


def _fill(value: Any, caller: Caller) -> Any:
    if isinstance(value, dict):
        return {name: _fill(inner, caller) for name, inner in value.items()}
    if isinstance(value, str):
        return value.format(handle=caller.handle, identity_id=caller.identity_id, key_id=caller.key_id)
    return value


@pytest.mark.parametrize(("route", "name", "status"), CASES)
def test_matrix(route: str, name: str, status: int) -> None:
    caller = _world()[name]
    method, path, body, _ = MATRIX[route]
    before = all_rows()

    answer = caller.client.call(method, _fill(path, caller), _fill(body, caller))

    assert answer.status_code == status
    if status >= 400:
        assert answer.json()["detail"]
        assert all_rows() == before
    if method == "GET":
        assert all_rows() == before


def test_a_session_without_organization_is_told_what_to_do() -> None:
    answer = ApiClient(bearer=session(None)).get("/identities")

    assert answer.status_code == 403
    assert answer.json() == {"detail": "This session has no organization. Create or join one first."}


def test_no_credential_is_told_what_to_send() -> None:
    answer = nobody().get("/identities")

    assert answer.status_code == 401
    assert answer.json() == {"detail": "Send your API key in the X-API-Key header."}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_allowed(method: str) -> None:
    answer = admin_client().call(method, "/identities")

    assert answer.status_code == 405
    assert "detail" in answer.json()
