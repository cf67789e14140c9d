"""Repeated sends over REST: one message, the first answer again (contract mail.md section 5)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from identities.models import IdempotencyRecord
from mail.models import Mailbox, Message, MessageContent, OutboundJob
from tests.factories.identities import Answer, ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

SEND: dict[str, Any] = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Hello", "body_text": "Hi there."}
REPLAY = {"Idempotency-Key": "3f0f1f4e-6f0c-4d0e-9d8f-1f2e3d4c5b6a", "Prefer": "idempotency-replay"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def send(client: ApiClient, box: Mailbox, headers: dict[str, str] | None = None, **changes: Any) -> Answer:
    sent = {name.replace("-", "_"): value for name, value in (headers or {}).items()}
    return client.post(f"/mail/mailboxes/{box.email_address}/messages", {**SEND, **changes}, **sent)


def test_a_repeat_gets_the_same_bytes_and_sends_once(box: Mailbox, client: ApiClient) -> None:
    first = send(client, box, REPLAY)
    rows = all_rows()

    second = send(client, box, REPLAY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert all_rows() == rows
    assert Message.objects.count() == 1


def test_a_repeat_is_answered_as_it_was_then(box: Mailbox, client: ApiClient) -> None:
    first = send(client, box, REPLAY)
    Message.objects.update(status="delivered", is_starred=True)

    assert send(client, box, REPLAY).content == first.content

    client.delete(f"/mail/mailboxes/{box.pk}/messages/{first.json()['id']}")

    assert send(client, box, REPLAY).content == first.content


def test_the_order_of_fields_is_no_difference(box: Mailbox, client: ApiClient) -> None:
    first = send(client, box, REPLAY)
    body = dict(reversed(SEND.items()))

    again = client.post(
        f"/mail/mailboxes/{box.pk}/messages", body, Idempotency_Key=REPLAY["Idempotency-Key"], Prefer=REPLAY["Prefer"]
    )

    assert again.content == first.content


@pytest.mark.parametrize(
    "changes", [{"subject": "Other"}, {"body_html": "<p>"}, {"recipients": {"to": ["b@x.example"]}}, {"unknown": 1}]
)
def test_another_body_under_the_key_is_a_conflict(box: Mailbox, client: ApiClient, changes: dict[str, Any]) -> None:
    send(client, box, REPLAY)
    rows = all_rows()

    response = send(client, box, REPLAY, **changes)

    detail = response.json()["detail"]
    assert (response.status_code, detail["error"]) == (409, "idempotency_key_reused")
    assert detail["message"]
    assert "existing_rule_id" not in detail
    assert all_rows() == rows


def test_without_prefer_a_repeat_is_refused_whatever_its_body(box: Mailbox, client: ApiClient) -> None:
    old = {"Idempotency-Key": "once"}
    assert send(client, box, old).status_code == 201
    rows = all_rows()

    same, other = send(client, box, old), send(client, box, old, subject="Other")

    assert (same.status_code, other.status_code) == (409, 409)
    assert all_rows() == rows


def test_without_a_key_every_send_is_new(box: Mailbox, client: ApiClient) -> None:
    first, second = send(client, box), send(client, box, {"Prefer": "idempotency-replay"})

    assert first.json()["id"] != second.json()["id"]
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("key", [" ", "x" * 256, "schl\u00fcssel", "a\tb"])
def test_a_bad_key_is_refused(box: Mailbox, client: ApiClient, key: str) -> None:
    rows = all_rows()

    response = send(client, box, {**REPLAY, "Idempotency-Key": key})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert all_rows() == rows


@pytest.mark.parametrize("key", ["x", "x" * 255, "~ !#$%&'()*+,-./:;<=>?@[]^_`{|}"])
def test_any_printable_key_is_good(box: Mailbox, client: ApiClient, key: str) -> None:
    headers = {**REPLAY, "Idempotency-Key": key}

    assert send(client, box, headers).content == send(client, box, headers).content


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"recipients": {"to": []}}, 422),
        ({"reply_to": "nobody"}, 422),
        ({"in_reply_to_message_id": "00000000-0000-7000-8000-000000000000"}, 404),
        ({"track_opens": True}, 422),
    ],
)
def test_a_refused_send_does_not_use_up_its_key(
    box: Mailbox, client: ApiClient, changes: dict[str, Any], status: int
) -> None:
    rows = all_rows()

    refused = send(client, box, REPLAY, **changes)

    assert refused.status_code == status
    assert all_rows() == rows
    assert send(client, box, REPLAY).status_code == 201


def test_a_full_mailbox_does_not_use_up_the_key(box: Mailbox, client: ApiClient) -> None:
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=1)
    assert send(client, box, REPLAY).status_code == 402
    assert not IdempotencyRecord.objects.exists()

    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=None)

    assert send(client, box, REPLAY).status_code == 201


def test_a_key_means_one_mailbox() -> None:
    acme = organization()
    one, two = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    client = admin_client(acme)

    first, second = send(client, one, REPLAY), send(client, two, REPLAY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["mailbox_id"] != second.json()["mailbox_id"]


def test_a_key_without_prefer_means_the_whole_organization() -> None:
    acme = organization()
    one, two, elsewhere = mailbox_of(agent(acme)), mailbox_of(agent(acme)), mailbox_of(agent())
    client, old = admin_client(acme), {"Idempotency-Key": "once"}

    assert send(client, one, old).status_code == 201
    assert send(client, two, old).status_code == 409
    assert send(admin_client(elsewhere.organization), elsewhere, old).status_code == 201


def test_a_key_is_kept_apart_by_mode(box: Mailbox, client: ApiClient) -> None:
    assert send(client, box, REPLAY).status_code == 201
    assert send(client, box, {"Idempotency-Key": REPLAY["Idempotency-Key"]}).status_code == 201


def test_the_name_of_the_mailbox_in_the_path_is_no_difference(box: Mailbox, client: ApiClient) -> None:
    first = send(client, box, REPLAY)

    for name in (str(box.pk), "BILLING-BOT", "billing-bot@MAIL.localhost"):
        again = client.post(
            f"/mail/mailboxes/{name}/messages", SEND, Idempotency_Key=REPLAY["Idempotency-Key"], Prefer=REPLAY["Prefer"]
        )
        assert again.content == first.content


def test_a_key_of_a_foreign_mailbox_is_not_looked_up(box: Mailbox, client: ApiClient) -> None:
    send(client, box, REPLAY)
    stranger = agent_client(agent(box.organization))
    rows = all_rows()

    assert send(stranger, box, REPLAY).status_code == 404
    assert all_rows() == rows


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [REPLAY, {"Idempotency-Key": "once"}], ids=["replay", "at most once"])
def test_concurrent_duplicates_make_one_message(headers: dict[str, str]) -> None:
    identity = agent()
    box = mailbox_of(identity)
    parent = receive(box)
    client = agent_client(identity)
    together = threading.Barrier(5)
    answers: list[Answer] = []

    def run() -> None:
        mine = ApiClient(client._headers["X-API-Key"])
        try:
            together.wait(timeout=10)
            answers.append(send(mine, box, headers, in_reply_to_message_id=str(parent.pk)))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    sent = Message.objects.filter(direction="outbound")
    assert (sent.count(), MessageContent.objects.count(), OutboundJob.objects.count()) == (1, 2, 1)
    assert len(answers) == 5
    bodies = {answer.content for answer in answers if answer.status_code == 201}
    assert len(bodies) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    box.refresh_from_db()
    assert box.storage_used_bytes == parent.size_bytes + sent.get().size_bytes
    parent.thread.refresh_from_db()
    assert parent.thread.message_count == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_sends_and_deletions_keep_the_counters_right() -> None:
    identity = agent()
    box = mailbox_of(identity)
    parent = receive(box, message_id="<p@x.example>")
    old = [receive(box, in_reply_to="<p@x.example>") for _ in range(3)]
    client = agent_client(identity)
    failures: list[Exception] = []

    def run(number: int) -> None:
        mine = ApiClient(client._headers["X-API-Key"])
        try:
            sent = send(mine, box, in_reply_to_message_id="<p@x.example>")
            gone = mine.delete(f"/mail/mailboxes/{box.pk}/messages/{old[number].pk}")
            assert (sent.status_code, gone.status_code) == (201, 204)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert failures == []
    alive = list(Message.objects.alive().filter(mailbox=box))
    assert len(alive) == 4
    box.refresh_from_db()
    assert box.storage_used_bytes == sum(message.size_bytes for message in alive)
    parent.thread.refresh_from_db()
    assert parent.thread.message_count == 4
