"""How many queries a request may cost, whatever the number of rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mail.models import Mailbox
from mail.services.indexing import index_pending
from mail.services.receiving import accept_batch
from tests.factories.contacts import rule
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import inbound, mailbox_of, raw_mail, receive

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


@pytest.mark.parametrize("path", ["messages", "messages?direction=inbound", "threads", "threads/folders", "drafts"])
def test_a_list_of_fifty_costs_what_a_list_of_one_costs(box: Mailbox, client: ApiClient, path: str) -> None:
    def add() -> None:
        receive(box)
        client.post(f"/mail/mailboxes/{box.pk}/drafts", {"subject": "a"})

    add()
    one = cost(client, "GET", f"/mail/mailboxes/{box.email_address}/{path}")
    for _ in range(49):
        add()

    fifty = cost(client, "GET", f"/mail/mailboxes/{box.email_address}/{path}")

    assert fifty == one
    assert one <= (6 if path.endswith("folders") else 3)


def test_messages_are_read_in_one_query_beside_the_one_of_the_key(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)
    path = f"/mail/mailboxes/{box.email_address}/messages"
    client.get(f"{path}/{message.pk}")  # marks it read, which is a write

    assert cost(client, "GET", f"{path}/{message.pk}") == 2
    assert cost(client, "GET", path) == 2
    assert cost(client, "GET", f"{path}?direction=outbound") == 3  # empty: is there such a mailbox at all?
    assert cost(client, "GET", path.replace("billing-bot", "nobody"), status=404) == 3


def test_searching(box: Mailbox, client: ApiClient) -> None:
    path = f"/mail/mailboxes/{box.email_address}/search?q=total%20off"
    for _ in range(3):
        receive(box)
    index_pending()
    few = cost(client, "GET", path)
    for _ in range(47):
        receive(box)
    index_pending()

    # Key, mailbox, what waits to be indexed, one query a rank, the rows.
    assert cost(client, "GET", path) == few == 8


def test_a_long_thread_costs_what_a_short_one_costs(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<p@x.example>")
    path = f"/mail/mailboxes/{box.email_address}/threads/{parent.thread_id}"
    one = cost(client, "GET", path)
    for _ in range(20):
        receive(box, in_reply_to="<p@x.example>")

    assert cost(client, "GET", path) == one <= 4
    assert cost(client, "GET", f"{path}/text") == 5


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

    first = cost(client, "POST", path, few, 201)
    one = cost(client, "POST", path, few, 201)

    assert cost(client, "POST", path, many, 201) == one <= 19
    assert first == one + 3  # opens the window that sends are counted in
    key = {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}
    assert cost(client, "POST", path, few, 201, **key) <= one + 5
    assert cost(client, "POST", path, few, 201, **key) <= 3


def test_answering_and_forwarding(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
    path = f"/mail/mailboxes/{box.email_address}/messages"
    few = {"recipients": {"to": ["a@x.example"]}, "subject": "Hello"}
    send = cost(client, "POST", path, few, 201)

    # The message that is answered, its thread; the message that is forwarded, its bytes.
    assert cost(client, "POST", f"{path}/{source.pk}/reply-all", {}, 201) <= send + 2
    assert cost(client, "POST", f"{path}/{source.pk}/forward", few, 201) <= send + 2


def test_drafts(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box)
    pdf = {"filename": "a.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0="}
    path = f"/mail/mailboxes/{box.email_address}/drafts"
    body = {
        "recipients": {"to": ["a@x.example"]},
        "subject": "Hello",
        "in_reply_to_message_id": parent.message_id,
        "attachments": [pdf] * 5,
    }
    plain = {"recipients": {"to": ["a@x.example"]}, "subject": "Hello"}
    send = cost(client, "POST", f"/mail/mailboxes/{box.email_address}/messages", plain, 201)

    assert cost(client, "POST", path, body, 201) <= 13
    one = f"{path}/{client.get(path).json()['items'][0]['id']}"
    assert cost(client, "GET", one) <= 5
    assert cost(client, "PATCH", one, {"generation": 1, "subject": "b"}) <= 14
    assert cost(client, "GET", f"{one}/attachments/4?generation=2") <= 4
    assert cost(client, "POST", f"{one}/duplicate", {"generation": 2}, 201) <= 15
    assert cost(client, "POST", f"{one}/send", {"generation": 2}) <= send + 17
    assert cost(client, "POST", f"{one}/send", {"generation": 2}) <= 4


def test_deleting(box: Mailbox, client: ApiClient) -> None:
    message, parent = receive(box), receive(box, message_id="<p@x.example>")
    for _ in range(5):
        receive(box, in_reply_to="<p@x.example>")
    path = f"/mail/mailboxes/{box.email_address}"

    assert cost(client, "DELETE", f"{path}/messages/{message.pk}", None, 204) <= 13
    assert cost(client, "PATCH", f"{path}/threads/{parent.thread_id}", {"folder": "spam"}) <= 8
    assert cost(client, "DELETE", f"{path}/threads/{parent.thread_id}", None, 204) <= 15


def test_contact_rules_cost_the_same_however_many_there_are(box: Mailbox) -> None:
    assert box.identity is not None
    client = admin_client(box.organization)
    path = "/identities/billing-bot/mail-contact-rules"
    of_mailbox = f"/mail/mailboxes/{box.pk}/contact-rules"
    rule(box.identity)
    client.get(path)
    one = [cost(client, "GET", each) for each in (path, of_mailbox, "/mail/contact-rules")]
    for number in range(49):
        rule(box.identity, f"d{number}.example")
    new = {"action": "block", "match_type": "domain", "match_target": "new.example"}

    fifty = [cost(client, "GET", each) for each in (path, of_mailbox, "/mail/contact-rules")]

    assert fifty == one == [4, 3, 3]
    assert cost(client, "POST", path, new, 201) <= 12  # three of them for the audit log


def test_receiving_asks_for_rules_once_a_batch(box: Mailbox) -> None:
    assert box.identity is not None
    mails = [inbound(raw_mail(box.email_address, sender=f"a{n}@d{n}.example"), box) for n in range(20)]
    for number in range(20):
        rule(box.identity, f"d{number}.example")

    with CaptureQueriesContext(connection) as queries:
        accept_batch(mails)

    assert len([query for query in queries if "contacts_contactrule" in query["sql"]]) == 1


def test_changing_a_mailbox(box: Mailbox) -> None:
    client = admin_client(box.organization)
    path = f"/mail/mailboxes/{box.email_address}"
    client.get(path)

    assert cost(client, "PATCH", path, {"signature_text": "Me"}) <= 12  # three of them for the audit log
    everything = {"display_name": "New", "filter_mode": "whitelist", "webhook_url": "https://hooks.example.com/in"}
    assert cost(client, "PATCH", path, everything) <= 30  # three acts, each logged
