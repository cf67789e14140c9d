"""Moving and deleting threads (contract mail.md sections 4.11 and 6)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import time_machine
from django.db import connection

from mail.enums import Folder
from mail.models import Mailbox, Message, OutboundJob, Thread
from tests.factories.contacts import rule
from tests.factories.identities import ApiClient, admin_client, agent, agent_client
from tests.factories.mail import mailbox_of, queue, receive
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

FOLDERS = [folder.value for folder in Folder]


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def path_of(box: Mailbox, message: Message) -> str:
    return f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}"


def put_in(message: Message, folder: str) -> None:
    Thread.objects.filter(pk=message.thread_id).update(folder=folder)
    Message.objects.filter(pk=message.pk).update(is_blocked=folder == "blocked")


def blocked_mail(box: Mailbox, **fields: Any) -> Message:
    assert box.identity is not None
    rule(box.identity, "eve@spam.example")
    return receive(box, sender="eve@spam.example", **fields)


# --- moving


@pytest.mark.parametrize("to", FOLDERS)
@pytest.mark.parametrize("start", FOLDERS)
def test_every_move_by_an_admin_key(box: Mailbox, start: str, to: str) -> None:
    message = receive(box)
    put_in(message, start)
    client = admin_client(box.organization)
    before = all_rows()

    response = client.patch(path_of(box, message), {"folder": to})

    if to == "blocked":
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "folder"])
        assert all_rows() == before
        return
    assert (response.status_code, response.json()["folder"]) == (200, to)
    assert "messages" not in response.json()
    assert Thread.objects.get(pk=message.thread_id).folder == to
    message.refresh_from_db()
    assert message.is_blocked is False


@pytest.mark.parametrize("to", ["inbox", "archive", "spam"])
def test_an_agent_moves_its_threads_but_knows_of_no_blocked_one(box: Mailbox, client: ApiClient, to: str) -> None:
    message, blocked = receive(box), blocked_mail(box)

    moved = client.patch(path_of(box, message), {"folder": to})
    rows = all_rows()
    refused = client.patch(path_of(box, blocked), {"folder": to})
    deleted = client.delete(path_of(box, blocked))

    assert (moved.status_code, moved.json()["folder"]) == (200, to)
    assert (refused.status_code, deleted.status_code) == (404, 404)
    assert refused.json() == {"detail": "Thread not found"}
    assert all_rows() == rows


def test_a_thread_out_of_blocked_is_the_agents_without_an_event(box: Mailbox, client: ApiClient) -> None:
    message = blocked_mail(box)
    assert client.get(f"/mail/mailboxes/{box.pk}/messages").json()["items"] == []
    assert client.get(path_of(box, message)).status_code == 404

    admin_client(box.organization).patch(path_of(box, message), {"folder": "inbox"})

    assert [row["id"] for row in client.get(f"/mail/mailboxes/{box.pk}/messages").json()["items"]] == [str(message.pk)]
    assert [row["id"] for row in client.get(path_of(box, message)).json()["messages"]] == [str(message.pk)]
    assert client.get(f"/mail/mailboxes/{box.pk}/threads/folders").json() == ["inbox"]
    assert not Event.objects.exists()


@pytest.mark.parametrize("body", [None, {}, {"status": "paused"}])
def test_a_change_without_a_folder_changes_nothing(box: Mailbox, client: ApiClient, body: Any) -> None:
    message = receive(box)
    before = all_rows()

    response = client.patch(path_of(box, message), body)

    assert (response.status_code, response.json()["folder"]) == (200, "inbox")
    assert all_rows() == before


@pytest.mark.parametrize("folder", ["trash", "", None, 7, ["inbox"], "INBOX"])
def test_an_unknown_folder_is_refused(box: Mailbox, client: ApiClient, folder: Any) -> None:
    message = receive(box)
    before = all_rows()

    response = client.patch(path_of(box, message), {"folder": folder})

    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "folder"])
    assert all_rows() == before


@pytest.mark.parametrize(
    ("folder", "after", "has_event"), [("inbox", "inbox", True), ("archive", "inbox", True), ("spam", "spam", False)]
)
def test_where_an_answer_finds_a_moved_thread(
    box: Mailbox, client: ApiClient, folder: str, after: str, has_event: bool
) -> None:
    message = receive(box, message_id="<p@x.example>")
    client.patch(path_of(box, message), {"folder": folder})
    events = Event.objects.count()

    answer = receive(box, in_reply_to="<p@x.example>")

    assert answer.thread_id == message.thread_id
    assert Thread.objects.get(pk=message.thread_id).folder == after
    assert (Event.objects.count() > events) is has_event


def test_a_blocked_answer_stays_out_of_the_conversation(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, message_id="<p@x.example>")
    blocked = blocked_mail(box, in_reply_to="<p@x.example>")

    assert blocked.thread_id != message.thread_id
    assert client.get(path_of(box, message)).json()["message_count"] == 1
    assert client.get(f"/mail/mailboxes/{box.pk}/threads?folder=blocked").json()["items"] == []
    seen = admin_client(box.organization).get(f"/mail/mailboxes/{box.pk}/threads?folder=blocked").json()["items"]
    assert [row["id"] for row in seen] == [str(blocked.thread_id)]


# --- deleting


def test_a_deleted_thread_takes_its_messages_and_their_storage(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<p@x.example>")
    reply = queue(box, "ada@customer.example", in_reply_to_message_id=str(parent.pk))
    other = receive(box)
    assert reply.thread_id == parent.thread_id

    response = client.delete(path_of(box, parent))

    assert (response.status_code, response.content) == (204, b"")
    box.refresh_from_db()
    assert box.storage_used_bytes == other.size_bytes
    assert set(Message.objects.alive().values_list("pk", flat=True)) == {other.pk}
    assert client.get(path_of(box, parent)).status_code == 404
    assert client.get(f"/mail/mailboxes/{box.pk}/messages/{reply.pk}").status_code == 404
    assert [row["id"] for row in client.get(f"/mail/mailboxes/{box.pk}/threads").json()["items"]] == [
        str(other.thread_id)
    ]
    assert OutboundJob.objects.get().is_open is True


def test_a_message_deleted_before_its_thread_is_not_freed_twice(box: Mailbox, client: ApiClient) -> None:
    first = receive(box, message_id="<p@x.example>")
    receive(box, in_reply_to="<p@x.example>")
    client.delete(f"/mail/mailboxes/{box.pk}/messages/{first.pk}")

    client.delete(path_of(box, first))

    box.refresh_from_db()
    assert box.storage_used_bytes == 0


def test_deleting_a_thread_twice_is_not_found(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)
    client.delete(path_of(box, message))
    before = all_rows()

    assert client.delete(path_of(box, message)).status_code == 404
    assert client.patch(path_of(box, message), {"folder": "spam"}).status_code == 404
    assert all_rows() == before


def test_an_answer_to_a_deleted_thread_starts_a_new_one(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<p@x.example>")
    client.delete(path_of(box, parent))

    assert receive(box, in_reply_to="<p@x.example>").thread_id != parent.thread_id


def test_without_its_newest_message_a_thread_is_as_old_as_the_one_before(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:00:00Z", tick=False):
        first = receive(box, message_id="<p@x.example>")
    with time_machine.travel("2026-05-04T11:00:00Z", tick=False):
        second = receive(box, in_reply_to="<p@x.example>")
    with time_machine.travel("2026-05-04T10:30:00Z", tick=False):
        other = receive(box)
    with time_machine.travel("2026-05-04T12:00:00Z", tick=False):
        third = receive(box, in_reply_to="<p@x.example>")

    client.delete(f"/mail/mailboxes/{box.pk}/messages/{second.pk}")
    assert client.get(path_of(box, first)).json()["last_message_at"] == "2026-05-04T12:00:00Z"
    client.delete(f"/mail/mailboxes/{box.pk}/messages/{third.pk}")

    thread = client.get(path_of(box, first)).json()
    assert (thread["last_message_at"], thread["message_count"]) == ("2026-05-04T10:00:00Z", 1)
    assert [row["id"] for row in client.get(f"/mail/mailboxes/{box.pk}/threads").json()["items"]] == [
        str(other.thread_id),
        str(first.thread_id),
    ]


@pytest.mark.django_db(transaction=True)
def test_answers_that_race_with_the_deletion_of_their_thread_keep_the_counters_right() -> None:
    box = mailbox_of(agent())
    assert box.identity is not None
    parent = receive(box, message_id="<p@x.example>")
    key = agent_client(box.identity)._headers["X-API-Key"]
    together = threading.Barrier(3)
    failures: list[Exception] = []

    def run(number: int) -> None:
        try:
            together.wait(10)
            if number == 0:
                assert ApiClient(key).delete(path_of(box, parent)).status_code == 204
            else:
                receive(box, in_reply_to="<p@x.example>")
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    box.refresh_from_db()
    alive = list(Message.objects.alive())
    assert box.storage_used_bytes == sum(message.size_bytes for message in alive)
    for row in Thread.objects.all():
        assert row.message_count == sum(message.thread_id == row.pk for message in alive)
        assert (row.deleted_at is None) == (row.message_count > 0)
