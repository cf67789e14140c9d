"""How many queries a request may cost, whatever the number of rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mail.models import Mailbox
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    made = agent_client(box.identity)
    made.get("/mail/mailboxes")  # the first use of a key is written down
    return made


def cost(client: ApiClient, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> int:
    """Queries of one request, savepoints included."""
    with CaptureQueriesContext(connection) as queries:
        response = client.call(method, path, body, **headers)
    assert response.status_code == status, response.content
    return len(queries)


@pytest.mark.parametrize("path", ["messages", "messages?direction=inbound", "threads", "threads/folders"])
def test_a_list_of_fifty_costs_what_a_list_of_one_costs(box: Mailbox, client: ApiClient, path: str) -> None:
    receive(box)
    one = cost(client, "GET", f"/mail/mailboxes/{box.email_address}/{path}")
    for _ in range(49):
        receive(box)

    fifty = cost(client, "GET", f"/mail/mailboxes/{box.email_address}/{path}")

    assert fifty == one
    assert one <= (6 if path.endswith("folders") else 3)


def test_a_long_thread_costs_what_a_short_one_costs(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<p@x.example>")
    path = f"/mail/mailboxes/{box.email_address}/threads/{parent.thread_id}"
    one = cost(client, "GET", path)
    for _ in range(20):
        receive(box, in_reply_to="<p@x.example>")

    assert cost(client, "GET", path) == one <= 4


def test_many_mailboxes_cost_what_one_costs() -> None:
    acme = organization()
    client = admin_client(acme)
    agent(acme)
    client.get("/mail/mailboxes")
    one = cost(client, "GET", "/mail/mailboxes")
    for _ in range(9):
        agent(acme)

    assert cost(client, "GET", "/mail/mailboxes") == one <= 3


def test_reading_a_message(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
    path = f"/mail/mailboxes/{box.email_address}/messages/{message.pk}"

    first, again = cost(client, "GET", path), cost(client, "GET", path)

    assert first == again + 1 <= 4
    assert cost(client, "GET", f"{path}/attachments/a.pdf") <= 3
    assert cost(client, "PATCH", path, {"is_starred": True}) <= 4
    assert cost(client, "GET", f"/mail/mailboxes/{box.email_address}") <= 3


def test_sending(box: Mailbox, client: ApiClient) -> None:
    path = f"/mail/mailboxes/{box.email_address}/messages"
    few = {"recipients": {"to": ["a@x.example"]}, "subject": "Hello"}
    many = {"recipients": {"to": [f"a{n}@x.example" for n in range(50)]}, "subject": "Hello"}

    one = cost(client, "POST", path, few, 201)

    assert cost(client, "POST", path, many, 201) == one <= 12
    key = {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}
    assert cost(client, "POST", path, few, 201, **key) <= one + 5
    assert cost(client, "POST", path, few, 201, **key) <= 3


def test_deleting(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)

    assert cost(client, "DELETE", f"/mail/mailboxes/{box.email_address}/messages/{message.pk}", None, 204) <= 10
