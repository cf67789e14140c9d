"""Threads over REST (contract mail.md section 6)."""

from __future__ import annotations

from datetime import datetime

import pytest
import time_machine

from mail.enums import Folder
from mail.models import Mailbox, Message, Thread
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


def move(message: Message, folder: Folder) -> None:
    Thread.objects.filter(pk=message.thread_id).update(folder=folder.value)


def test_a_thread_has_its_fields_and_its_messages_oldest_first(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:01:12.554Z", tick=False):
        first = receive(box, message_id="<p@x.example>")
    with time_machine.travel("2026-05-04T10:05:31Z", tick=False):
        second = receive(box, in_reply_to="<p@x.example>", subject="Re: Invoice 4417")
    path = f"/mail/mailboxes/{box.email_address}/threads"
    thread = {
        "id": str(first.thread_id),
        "mailbox_id": str(box.pk),
        "subject": "Invoice 4417",
        "folder": "inbox",
        "message_count": 2,
        "last_message_at": "2026-05-04T10:05:31Z",
        "paused_reason": None,
        "paused_until": None,
        "created_at": "2026-05-04T10:01:12.554000Z",
    }

    page, detail = client.get(path), client.get(f"{path}/{first.thread_id}")

    assert (page.status_code, detail.status_code) == (200, 200)
    assert page.json() == {"items": [thread], "has_more": False, "next_cursor": None}
    newest, oldest = client.get(f"/mail/mailboxes/{box.pk}/messages").json()["items"]
    assert (oldest["id"], newest["id"]) == (str(first.pk), str(second.pk))
    assert detail.json() == {**thread, "messages": [oldest, newest], "has_more": False, "next_cursor": None}
    assert client.get(f"{path}/{first.thread_id}/").json() == detail.json()


def test_threads_come_by_latest_activity(box: Mailbox, client: ApiClient) -> None:
    old, new = receive(box, message_id="<old@x.example>"), receive(box)
    path = f"/mail/mailboxes/{box.pk}/threads"
    assert [t["id"] for t in client.get(path).json()["items"]] == [str(new.thread_id), str(old.thread_id)]

    receive(box, in_reply_to="<old@x.example>")

    assert [t["id"] for t in client.get(path).json()["items"]] == [str(old.thread_id), str(new.thread_id)]


def test_thread_pages_hold_every_thread_once(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:00:00Z", tick=False):
        rows = [receive(box) for _ in range(5)]
    path = f"/mail/mailboxes/{box.pk}/threads?limit=2"

    first = client.get(path).json()
    receive(box)
    second = client.get(f"{path}&cursor={first['next_cursor']}").json()
    third = client.get(f"{path}&cursor={second['next_cursor']}").json()

    found = [thread["id"] for page in (first, second, third) for thread in page["items"]]
    assert found == [str(row.thread_id) for row in reversed(rows)]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]


def test_the_folder_filter_and_the_list_of_folders(box: Mailbox, client: ApiClient) -> None:
    inbox, spam, archived = receive(box), receive(box), receive(box)
    move(spam, Folder.SPAM)
    move(archived, Folder.ARCHIVE)
    path = f"/mail/mailboxes/{box.pk}/threads"

    found = {
        folder: [t["id"] for t in client.get(f"{path}?folder={folder}").json()["items"]]
        for folder in ("inbox", "spam", "archive", "blocked")
    }

    assert found == {
        "inbox": [str(inbox.thread_id)],
        "spam": [str(spam.thread_id)],
        "archive": [str(archived.thread_id)],
        "blocked": [],
    }
    assert client.get(f"{path}/folders").json() == ["archive", "inbox", "spam"]
    assert client.get(f"{path}/folders/").json() == ["archive", "inbox", "spam"]


def test_an_empty_mailbox_has_no_folders(box: Mailbox, client: ApiClient) -> None:
    response = client.get(f"/mail/mailboxes/{box.pk}/threads/folders")

    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("folder", ["trash", "INBOX", "", "inbox,spam"])
def test_an_unknown_folder_is_refused(box: Mailbox, client: ApiClient, folder: str) -> None:
    response = client.get(f"/mail/mailboxes/{box.pk}/threads?folder={folder}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == "folder"


@pytest.mark.parametrize("row_id", ["00000000-0000-7000-8000-000000000000", "17", "%00", "Folders"])
def test_an_unknown_thread_is_not_found(box: Mailbox, client: ApiClient, row_id: str) -> None:
    receive(box)

    response = client.get(f"/mail/mailboxes/{box.pk}/threads/{row_id}")

    assert (response.status_code, response.json()) == (404, {"detail": "Thread not found"})


def test_a_thread_shows_what_was_sent_too(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box)
    reply = queue(box, "ada@customer.example", in_reply_to_message_id=str(parent.pk))

    thread = client.get(f"/mail/mailboxes/{box.pk}/threads/{parent.thread_id}").json()

    assert [(m["id"], m["direction"]) for m in thread["messages"]] == [
        (str(parent.pk), "inbound"),
        (str(reply.pk), "outbound"),
    ]
    assert datetime.fromisoformat(thread["last_message_at"]) == reply.created_at


def test_reading_a_thread_changes_nothing(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)
    before = all_rows()

    client.get(f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}")

    assert all_rows() == before
