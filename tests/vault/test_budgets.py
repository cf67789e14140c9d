"""How many queries a request may cost, whatever the number of rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.vault import new_vault_body, secret_body, secret_of, vault_of

pytestmark = pytest.mark.django_db


def cost(client: ApiClient, method: str, path: str, body: Any = None) -> int:
    """Queries of one request, savepoints included."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.call(method, path, body)
    assert answer.status_code < 300, answer.content
    return len(queries)


# Key of the caller, vault, what is asked for, the entry in the audit log.
@pytest.mark.parametrize(
    ("path", "budget"),
    [
        ("unlock?auth_hash={auth_hash}", 6),
        ("unlock", 6),
        ("secrets", 5),
        ("secrets?secret_type=login", 5),
        ("keys", 4),
        ("info", 5),
        ("audit", 2),
    ],
)
@pytest.mark.parametrize("kind", ["admin", "agent"])
def test_fifty_secrets_cost_what_one_costs(path: str, budget: int, kind: str) -> None:
    acme, body = organization(), new_vault_body()
    vault, alpha = vault_of(acme, body), agent(acme)
    client = admin_client(acme) if kind == "admin" or path == "audit" else agent_client(alpha)
    path = f"/vault/{path.format(auth_hash=body['vault_key']['auth_hash'])}"
    secret_of(vault, alpha)
    client.get(path)  # the first use of a key is written down

    one = cost(client, "GET", path)
    for _ in range(49):
        secret_of(vault, alpha)
    fifty = cost(client, "GET", path)

    assert fifty == one
    assert one <= budget


def test_one_secret() -> None:
    acme = organization()
    vault, alpha, bravo = vault_of(acme), agent(acme), agent(acme)
    path = f"/vault/secrets/{secret_of(vault, alpha, bravo).pk}"
    client = admin_client(acme)
    client.get(path)

    assert cost(client, "GET", path) <= 5
    assert cost(client, "GET", f"{path}/access") <= 4
    # Writes lock what they change, and are one transaction.
    assert cost(client, "PATCH", path, {"name": "New"}) <= 11
    assert cost(client, "POST", "/vault/secrets", secret_body()) <= 12
    assert cost(client, "DELETE", path) <= 10
