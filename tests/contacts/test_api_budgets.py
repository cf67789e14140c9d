"""How many queries a request may cost, whatever the number of contacts."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.models import AgentIdentity, Organization
from tests.factories.contacts import contact
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


def warm(client: ApiClient) -> ApiClient:
    client.get("/contacts")  # the first use of a key is written down
    return client


def cost(client: ApiClient, method: str, path: str, body: Any = None) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = client.call(method, path, body)
    assert response.status_code < 300, response.content
    return len(queries)


@pytest.mark.parametrize("query", ["", "?q=ada", "/lookup?email_domain=example.com", "/lookup?email_contains=ada"])
def test_fifty_contacts_cost_what_one_costs(acme: Organization, alpha: AgentIdentity, query: str) -> None:
    clients = [warm(admin_client(acme)), warm(agent_client(alpha))]

    def add(number: int) -> None:
        access: Any = [alpha.pk] if number % 2 else None
        contact(acme, f"Ada {number}", emails=[f"ada{number}@example.com"], access=access)

    add(0)
    one = [cost(client, "GET", f"/contacts{query}") for client in clients]
    for number in range(1, 50):
        add(number)

    fifty = [cost(client, "GET", f"/contacts{query}") for client in clients]

    assert fifty == one
    # The key, the page, decisions of identities, facts; on SQLite, a part's place in its index.
    assert max(one) <= (5 if "contains" in query else 4)
