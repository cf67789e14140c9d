"""Sending drafts: as a send, a reply, a forward; once, whatever happens in between (contract mail.md 7.4)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from common.clock import now
from mail.mime.parse import extract_attachments, parse_mail
from mail.models import Draft, DraftAttachment, Mailbox, Message, MessageContent, OutboundJob, SentDraft, Thread
from mail.raw import load_raw
from mail.services import draft_sending
from mail.services.deleting import delete_message
from mail.services.draft_sending import release_leases
from mail.services.drafts import purge_sent_drafts
from tests.factories.contacts import rule
from tests.factories.identities import Answer, ApiClient, agent, agent_client, unclaimed_agent
from tests.factories.mail import mailbox_of, receive, send
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

PDF = {"filename": "a.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0="}
PNG = {"filename": "s.png", "content_type": "image/png", "content_base64": "iVBORw0KGgo=", "content_id": "stamp"}
TO = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Hello", "body_text": "Hi there."}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot", display_name="Billing Bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


@pytest.fixture
def path(box: Mailbox) -> str:
    return f"/mail/mailboxes/{box.email_address}/drafts"


def make(client: ApiClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, body)
    assert answer.status_code == 201, answer.content
    draft: dict[str, Any] = answer.json()
    return draft


def send_it(client: ApiClient, path: str, draft: dict[str, Any]) -> Answer:
    return client.post(f"{path}/{draft['id']}/send", {"generation": draft["generation"]})


def events(box: Mailbox) -> list[str]:
    rows = Event.objects.filter(identity_id=box.identity_id, event_type__startswith="message.")
    return sorted(rows.values_list("event_type", flat=True))


# --- what is sent


def test_a_draft_becomes_a_message(box: Mailbox, client: ApiClient, path: str) -> None:
    html = '<p>Hi.</p><img src="cid:stamp">'
    made = make(
        client,
        path,
        recipients={"to": ["ada@x.example"], "cc": ["ops@x.example"], "bcc": ["audit@x.example"]},
        subject="Hello",
        body_text="Hi.",
        body_html=html,
        reply_to="accounts@x.example",
        attachments=[PDF, PNG],
        track_opens=True,
    )

    answer = send_it(client, path, made)

    row = answer.json()
    message = Message.objects.get()
    assert answer.status_code == 200
    assert row == client.get(f"/mail/mailboxes/{box.pk}/messages").json()["items"][0]
    assert (row["to_addresses"], row["cc_addresses"], row["subject"], row["status"]) == (
        ["ada@x.example"],
        ["ops@x.example"],
        "Hello",
        "queued",
    )
    assert (message.bcc_addresses, message.tracks_opens, message.message_id) == (
        ["audit@x.example"],
        True,
        made["message_id"],
    )
    content = MessageContent.objects.get()
    assert (content.body_text, content.body_html) == ("Hi.", html)
    raw = load_raw(content)
    assert parse_mail(raw).reply_to == ("accounts@x.example",)
    assert sorted(f.content for f in extract_attachments(raw)) == [b"%PDF-", b"\x89PNG\r\n\x1a\n"]
    assert OutboundJob.objects.get().message_id == message.pk
    assert client.get(f"{path}/{made['id']}").status_code == 404
    assert (Draft.objects.exists(), DraftAttachment.objects.exists()) == (False, False)
    box.refresh_from_db()
    assert box.storage_used_bytes == message.size_bytes == len(raw)
    send(message)
    assert events(box) == ["message.sent"]


def test_a_reply_joins_its_thread(box: Mailbox, client: ApiClient, path: str) -> None:
    parent = receive(box, message_id="<inv@customer.example>")
    made = make(client, path, **TO, in_reply_to_message_id="<inv@customer.example>")

    row = send_it(client, path, made).json()

    parsed = parse_mail(load_raw(MessageContent.objects.get(message_id=row["id"])))
    assert row["thread_id"] == str(parent.thread_id)
    assert (parsed.in_reply_to, parsed.references) == ("<inv@customer.example>", ("<inv@customer.example>",))
    assert Thread.objects.get().message_count == 2


def test_a_draft_in_a_thread_answers_its_newest_message(box: Mailbox, client: ApiClient, path: str) -> None:
    first = receive(box, message_id="<one@x.example>")
    receive(box, message_id="<two@x.example>", in_reply_to="<one@x.example>")
    made = make(client, path, **TO, thread_id=str(first.thread_id))

    row = send_it(client, path, made).json()

    parsed = parse_mail(load_raw(MessageContent.objects.get(message_id=row["id"])))
    assert row["thread_id"] == str(first.thread_id)
    assert (parsed.in_reply_to, parsed.references) == ("<two@x.example>", ("<one@x.example>", "<two@x.example>"))


def test_own_references_go_out_as_they_are(client: ApiClient, path: str) -> None:
    made = make(
        client, path, **TO, in_reply_to_message_id="<b@x.example>", references=["<a@x.example>", "<b@x.example>"]
    )

    row = send_it(client, path, made).json()

    parsed = parse_mail(load_raw(MessageContent.objects.get(message_id=row["id"])))
    assert (parsed.in_reply_to, parsed.references) == ("<b@x.example>", ("<a@x.example>", "<b@x.example>"))


def test_a_thread_that_is_gone_is_not_brought_back(box: Mailbox, client: ApiClient, path: str) -> None:
    parent = receive(box)
    made = make(client, path, **TO, thread_id=str(parent.thread_id))
    delete_message(parent)

    row = send_it(client, path, made).json()

    assert row["thread_id"] != str(parent.thread_id)


def test_a_forward_draft_forwards(box: Mailbox, client: ApiClient, path: str) -> None:
    source = receive(box, subject="Invoice", attachments=(("b.pdf", "application/pdf", b"%PDF-b"),))
    made = make(
        client,
        path,
        recipients={"bcc": ["partner@x.example"]},
        forward_message_id=str(source.pk),
        forward_note_text="FYI",
        attachments=[PDF],
    )

    row = send_it(client, path, made).json()

    message = Message.objects.get(pk=row["id"])
    assert (row["subject"], row["thread_id"] == str(source.thread_id)) == ("Fwd: Invoice", False)
    assert (message.is_forward, message.message_id) == (True, made["message_id"])
    content = MessageContent.objects.get(message=message)
    assert (content.body_text or "").startswith("FYI\n\n---------- Forwarded message")
    assert [f.content for f in extract_attachments(load_raw(content))] == [b"%PDF-b", b"%PDF-"]
    send(message)
    assert "message.forwarded" in events(box)


def test_it_is_signed_once(box: Mailbox, client: ApiClient, path: str) -> None:
    Mailbox.objects.filter(pk=box.pk).update(signature_enabled=True, signature_text="Billing Bot")
    made = make(client, path, **TO)
    assert made["body_text"] == "Hi there."

    send_it(client, path, made)

    assert MessageContent.objects.get().body_text == "Hi there.\n\n-- \nBilling Bot\n"


# --- what is refused leaves a draft


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({**TO, "recipients": {}}, ["body", "recipients"]),
        ({**TO, "subject": None}, ["body", "subject"]),
        ({**TO, "attachments": [PNG]}, ["body", "attachments", 0, "content_id"]),
        ({**TO, "track_opens": True}, ["body", "track_opens"]),
    ],
)
def test_an_incomplete_draft_is_not_sent(client: ApiClient, path: str, body: dict[str, Any], loc: list[Any]) -> None:
    made = make(client, path, **body)
    rows = all_rows()

    answer = send_it(client, path, made)

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)
    assert all_rows() == rows


def test_permission_and_storage_are_those_of_a_send(box: Mailbox, client: ApiClient, path: str) -> None:
    made = make(client, path, **TO)
    assert box.identity is not None
    blocking = rule(box.identity, "ada@customer.example", direction="outbound")
    rows = all_rows()

    blocked = send_it(client, path, made)
    assert (blocked.status_code, blocked.json()["detail"]["error"]) == (403, "recipient_blocked")
    assert all_rows() == rows

    blocking.delete()
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=100)
    rows = all_rows()
    full = send_it(client, path, made)
    assert (full.status_code, full.json()["detail"]["error"]) == (402, "storage_limit_exceeded")
    assert all_rows() == rows

    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=None)
    assert send_it(client, path, made).status_code == 200


def test_an_unclaimed_agent_writes_to_its_human_only() -> None:
    box = mailbox_of(unclaimed_agent(human_email="human@example.com"))
    assert box.identity is not None
    client, path = agent_client(box.identity), f"/mail/mailboxes/{box.pk}/drafts"

    refused = send_it(client, path, make(client, path, **TO))
    accepted = send_it(client, path, make(client, path, **{**TO, "recipients": {"to": ["human@example.com"]}}))

    assert (refused.status_code, accepted.status_code) == (403, 200)
    assert Draft.objects.get().send_state == "draft"


def test_the_room_of_the_draft_is_the_room_of_the_message(box: Mailbox, client: ApiClient, path: str) -> None:
    made = make(client, path, **{**TO, "body_text": "x" * 5000})
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=6000)

    assert send_it(client, path, made).status_code == 200


def test_what_is_forwarded_may_be_gone(box: Mailbox, client: ApiClient, path: str) -> None:
    source = receive(box)
    made = make(client, path, recipients={"to": ["a@x.example"]}, forward_message_id=str(source.pk))
    delete_message(source)
    rows = all_rows()

    answer = send_it(client, path, made)

    assert (answer.status_code, answer.json()["detail"]) == (404, "Message not found")
    assert all_rows() == rows


# --- once


def test_a_repeated_send_gets_the_same_message(client: ApiClient, path: str) -> None:
    made = make(client, path, **TO)
    first = send_it(client, path, made)
    rows = all_rows()

    again = send_it(client, path, made)

    assert (again.status_code, again.content) == (200, first.content)
    assert all_rows() == rows


def test_another_generation_of_a_sent_draft_is_unknown(client: ApiClient, path: str) -> None:
    made = make(client, path, **TO)
    send_it(client, path, made)

    assert send_it(client, path, {**made, "generation": 2}).status_code == 404


def test_it_is_remembered_for_a_week(client: ApiClient, path: str) -> None:
    made = make(client, path, **TO)
    first = send_it(client, path, made).json()

    with time_machine.travel(now() + timedelta(days=6, hours=23), tick=False):
        assert purge_sent_drafts() == 0
        assert send_it(client, path, made).json()["id"] == first["id"]
    with time_machine.travel(now() + timedelta(days=7, hours=1), tick=False):
        assert purge_sent_drafts() == 1
        assert send_it(client, path, made).status_code == 404


def test_a_sent_message_that_was_deleted_is_gone(client: ApiClient, path: str) -> None:
    made = make(client, path, **TO)
    send_it(client, path, made)
    delete_message(Message.objects.get())

    assert send_it(client, path, made).status_code == 404
    assert Message.objects.count() == 1


def test_a_sent_draft_is_unknown_in_other_mailboxes(client: ApiClient, path: str) -> None:
    made = make(client, path, **TO)
    send_it(client, path, made)
    other = mailbox_of(agent())
    assert other.identity is not None

    answer = send_it(agent_client(other.identity), f"/mail/mailboxes/{other.pk}/drafts", made)

    assert answer.status_code == 404


# --- crashes and races


class Killed(BaseException):
    """A process that ends here, as by SIGKILL: no handler runs."""


@pytest.mark.parametrize("stage", ["_prepare", "queue_message"])
def test_a_process_that_dies_before_the_commit_has_sent_nothing(
    client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    made = make(client, path, **TO)
    with monkeypatch.context() as patch:

        def die(*_: Any, **__: Any) -> None:
            raise Killed

        patch.setattr(draft_sending, stage, die)
        with pytest.raises(Killed):
            send_it(client, path, made)
    assert (Message.objects.count(), Draft.objects.get().send_state) == (0, "sending")

    busy = send_it(client, path, made)
    assert (busy.status_code, busy.json()["detail"]["error"]) == (409, "draft_send_in_progress")

    with time_machine.travel(now() + timedelta(minutes=3), tick=False):
        assert client.get(f"{path}/{made['id']}").json()["send_state"] == "draft"
        assert send_it(client, path, made).status_code == 200
    assert Message.objects.count() == 1


def test_an_embedded_server_frees_the_claims_of_its_predecessor(
    client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(client, path, **TO)
    Draft.objects.update(send_state="sending", claimed_until=now() + timedelta(minutes=1))

    assert release_leases() == 1
    assert send_it(client, path, made).status_code == 200


def test_an_answer_that_is_lost_after_the_commit_is_given_again(
    client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(client, path, **TO)
    accept = draft_sending._accept
    with monkeypatch.context() as patch:

        def accept_and_die(*arguments: Any) -> Message:
            accept(*arguments)
            raise Killed

        patch.setattr(draft_sending, "_accept", accept_and_die)
        with pytest.raises(Killed):
            send_it(client, path, made)

    answer = send_it(client, path, made)

    assert (answer.status_code, answer.json()["id"]) == (200, str(Message.objects.get().pk))
    assert SentDraft.objects.count() == OutboundJob.objects.count() == 1


def test_a_claim_that_was_lost_while_building_sends_nothing(
    client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(client, path, **TO)
    prepare = draft_sending._prepare

    def prepare_slowly(*arguments: Any) -> Any:
        monkeypatch.setattr(draft_sending, "_prepare", prepare)
        with time_machine.travel(now() + timedelta(minutes=3), tick=False):
            assert send_it(client, path, made).status_code == 200
        return prepare(*arguments)

    monkeypatch.setattr(draft_sending, "_prepare", prepare_slowly)

    answer = send_it(client, path, made)

    assert (answer.status_code, answer.json()["detail"]["error"]) == (409, "draft_send_in_progress")
    assert Message.objects.count() == 1
    assert send_it(client, path, made).json()["id"] == str(Message.objects.get().pk)


@pytest.mark.parametrize("change", ["send", "edit", "delete"])
def test_a_request_that_is_overtaken_before_its_claim(
    client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    made = make(client, path, **TO)
    claim = draft_sending._claim

    def claim_too_late(draft: Draft) -> Any:
        monkeypatch.setattr(draft_sending, "_claim", claim)
        if change == "send":
            send_it(client, path, made)
        elif change == "edit":
            client.patch(f"{path}/{made['id']}", {"generation": 1, "subject": "b"})
        else:
            client.delete(f"{path}/{made['id']}?generation=1")
        return claim(draft)

    monkeypatch.setattr(draft_sending, "_claim", claim_too_late)

    answer = send_it(client, path, made)

    assert answer.status_code == {"send": 200, "edit": 409, "delete": 404}[change]
    assert Message.objects.count() == (1 if change == "send" else 0)


@pytest.mark.django_db(transaction=True)
def test_many_requests_at_once_send_one_message(path: str) -> None:
    box = mailbox_of(agent(handle="racer"))
    assert box.identity is not None
    client, path = agent_client(box.identity), f"/mail/mailboxes/{box.pk}/drafts"
    made = make(client, path, **TO)
    answers: list[tuple[int, Any]] = []

    def run() -> None:
        try:
            answer = send_it(client, path, made)
            answers.append((answer.status_code, answer.json()))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert Message.objects.count() == OutboundJob.objects.count() == 1
    sent = str(Message.objects.get().pk)
    assert {status for status, _ in answers} <= {200, 409}
    assert {body["id"] for status, body in answers if status == 200} == {sent}
    assert {body["detail"]["error"] for status, body in answers if status == 409} <= {"draft_send_in_progress"}
    assert send_it(client, path, made).json()["id"] == sent
