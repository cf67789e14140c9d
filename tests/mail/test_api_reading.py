"""Reading long threads: pages, and transcripts within a budget (docs/api/reading.md)."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mail import limits
from mail.models import Mailbox, Message
from mail.services.deleting import delete_message
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


def thread_of(box: Mailbox, count: int, **fields: Any) -> list[Message]:
    """One conversation."""
    first = receive(box, message_id="<p@x.example>", **fields)
    return [first, *(receive(box, in_reply_to="<p@x.example>", **fields) for _ in range(count - 1))]


def text_of(client: ApiClient, box: Mailbox, message: Message, query: str = "") -> Any:
    response = client.get(f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}/text{query}")
    assert response.status_code == 200, response.content
    return response.json()


def test_a_thread_shows_its_newest_messages_and_pages_lead_back(box: Mailbox, client: ApiClient) -> None:
    ids = [str(message.pk) for message in thread_of(box, 5)]
    path = f"/mail/mailboxes/{box.pk}/threads/{Message.objects.all()[0].thread_id}"

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"{path}?limit=2&cursor={cursor}").json()
        pages.append([message["id"] for message in page["messages"]])
        assert page["message_count"] == 5
        assert page["has_more"] is (page["next_cursor"] is not None)
        cursor = page["next_cursor"]

    assert pages == [ids[3:], ids[1:3], ids[:1]]
    assert [m["id"] for m in client.get(path).json()["messages"]] == ids


@pytest.mark.parametrize("query", ["limit=0", f"limit={limits.THREAD_MESSAGES_MAX + 1}", "limit=x", "cursor=zzz"])
def test_a_page_that_makes_no_sense_is_refused(box: Mailbox, client: ApiClient, query: str) -> None:
    message = receive(box)

    response = client.get(f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}?{query}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


def test_a_transcript_has_the_new_text_of_each_message(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:01:12Z", tick=False):
        first = receive(
            box, message_id="<p@x.example>", cc="ops@x.example", attachments=(("a.pdf", "application/pdf", b"%PDF-"),)
        )
    with time_machine.travel("2026-05-04T10:05:31Z", tick=False):
        queue(box, "ada@customer.example", in_reply_to_message_id=str(first.pk), body_text="Fixed.\n\n-- \nBot\n")
    with time_machine.travel("2026-05-05T08:00:00Z", tick=False):
        receive(box, in_reply_to="<p@x.example>", text="Thanks!\n\nOn 4 May 2026, Bot wrote:\n> Fixed.\n")
    before = all_rows()

    found = text_of(client, box, first)

    expected = (
        "--- 2026-05-04 10:01 UTC, Ada L. <ada@customer.example> to billing-bot@mail.localhost, ops@x.example\n"
        "Attachments: a.pdf\n"
        "Hi, the total looks off by 20.\n"
        "\n"
        "--- 2026-05-04 10:05 UTC, billing-bot <billing-bot@mail.localhost> to ada@customer.example\n"
        "Fixed.\n"
        "\n"
        "--- 2026-05-05 08:00 UTC, Ada L. <ada@customer.example> to billing-bot@mail.localhost\n"
        "Thanks!\n"
    )
    assert found == {
        "thread_id": str(first.thread_id),
        "subject": "Invoice 4417",
        "text": expected,
        "message_count": 3,
        "included_messages": 3,
        "omitted_messages": 0,
        "shortened_messages": 0,
        "size_bytes": len(expected),
        "estimated_tokens": -(-len(expected) // 4),
        "budget_bytes": 32768,
    }
    assert all_rows() == before


def test_what_does_not_fit_is_left_out_from_the_beginning_and_said(box: Mailbox, client: ApiClient) -> None:
    rows = thread_of(box, 6, text="x" * 300 + "\n")

    found = text_of(client, box, rows[0], "?max_bytes=1024")

    assert (found["included_messages"], found["omitted_messages"], found["shortened_messages"]) == (2, 4, 0)
    assert found["text"].startswith("[4 earlier messages left out]\n\n--- ")
    assert found["size_bytes"] == len(found["text"].encode()) <= 1024


def test_a_message_larger_than_the_budget_is_shortened_and_said(box: Mailbox, client: ApiClient) -> None:
    rows = thread_of(box, 2, text="é" * 3000 + "\n")

    found = text_of(client, box, rows[0], "?max_tokens=300")

    assert (found["included_messages"], found["omitted_messages"], found["shortened_messages"]) == (1, 1, 1)
    assert found["budget_bytes"] == 1200
    assert found["text"].endswith("é\n[the rest of this message was cut off]\n")
    assert 1000 < found["size_bytes"] <= 1200


def test_the_smaller_budget_counts(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)

    assert text_of(client, box, message, "?max_bytes=2000&max_tokens=400")["budget_bytes"] == 1600
    assert text_of(client, box, message, "?max_bytes=1500&max_tokens=400")["budget_bytes"] == 1500


def test_deleted_and_blocked_messages_are_not_told(box: Mailbox, client: ApiClient) -> None:
    rows = thread_of(box, 3)
    delete_message(rows[1])
    Message.objects.filter(pk=rows[2].pk).update(is_blocked=True)

    found = text_of(client, box, rows[0])

    assert (found["message_count"], found["included_messages"], found["omitted_messages"]) == (1, 1, 0)


@pytest.mark.parametrize("query", ["max_bytes=1023", "max_bytes=1048577", "max_bytes=many", "max_tokens=255"])
def test_a_budget_that_makes_no_sense_is_refused(box: Mailbox, client: ApiClient, query: str) -> None:
    message = receive(box)

    response = client.get(f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}/text?{query}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=4), budget=st.integers(1024, 5000))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_transcript_is_larger_than_its_budget(
    box: Mailbox, client: ApiClient, sizes: list[int], budget: int
) -> None:
    Message.objects.all().delete()
    first = receive(box, message_id="<p@x.example>", text="é" * sizes[0])
    for size in sizes[1:]:
        receive(box, in_reply_to="<p@x.example>", text="ab " * (size // 3))

    found = text_of(client, box, first, f"?max_bytes={budget}")

    assert found["size_bytes"] <= budget
    assert found["included_messages"] + found["omitted_messages"] == len(sizes)
    assert found["included_messages"] >= 1
