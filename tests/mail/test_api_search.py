"""Search over REST (contract mail.md sections 2.1 and 4.9)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mail.models import Mailbox, SearchEntry
from tests.factories.identities import ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of, queue, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def search(client: ApiClient, box: Mailbox, q: str, more: str = "") -> Any:
    return client.get(f"/mail/mailboxes/{box.email_address}/search?q={quote(q)}{more}")


def test_a_search_answers_one_page_of_messages(box: Mailbox, client: ApiClient) -> None:
    receive(box, subject="Shipping note")
    message = receive(box, subject="Invoice 4417")

    response = search(client, box, "invoice")

    rows = client.get(f"/mail/mailboxes/{box.pk}/messages?limit=1").json()["items"]
    assert response.status_code == 200
    assert response.json() == {"items": rows, "has_more": False, "next_cursor": None}
    assert rows[0]["id"] == str(message.pk)


def test_what_was_stored_just_now_is_found_without_a_worker(box: Mailbox, client: ApiClient) -> None:
    receive(box, subject="arrived")
    queue(box, "ada@customer.example", subject="departed")
    assert SearchEntry.objects.filter(is_pending=True).count() == 2

    found = [search(client, box, q).json()["items"][0]["subject"] for q in ("arrived", "departed")]

    assert found == ["arrived", "departed"]
    assert not SearchEntry.objects.filter(is_pending=True).exists()


def test_a_search_marks_nothing_read(box: Mailbox, client: ApiClient) -> None:
    receive(box)
    search(client, box, "invoice")
    before = all_rows()

    assert search(client, box, "invoice").json()["items"][0]["is_read"] is False
    assert all_rows() == before


def test_the_limit_keeps_the_best(box: Mailbox, client: ApiClient) -> None:
    best = receive(box, subject="best match")
    for _ in range(3):
        receive(box, subject="other", text="best match")

    items = search(client, box, "best match", "&limit=2").json()["items"]

    assert (len(items), items[0]["id"]) == (2, str(best.pk))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=%20%20", "q"),
        ("q=%00", "q"),
        (f"q={'x' * 1001}", "q"),
        ("q=is:strange", "q"),
        ("q=after:tomorrow", "q"),
        ("q=a&limit=0", "limit"),
        ("q=a&limit=101", "limit"),
        ("q=a&limit=many", "limit"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(box: Mailbox, client: ApiClient, query: str, field: str) -> None:
    receive(box)
    before = all_rows()

    response = client.get(f"/mail/mailboxes/{box.email_address}/search?{query}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", field]
    assert all_rows() == before


@given(q=st.text(max_size=60) | st.text(alphabet="ab\"'-:*()&|!<>\\%_~^{}[];,. 東é", min_size=1, max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_query_is_answered_or_refused(box: Mailbox, client: ApiClient, q: str) -> None:
    assert search(client, box, q).status_code in (200, 422)
