"""Reply to all over REST (contract mail.md 4.5)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mail.mime.parse import parse_mail
from mail.models import Mailbox, Message, MessageContent, Thread
from mail.raw import load_raw
from mail.services.deleting import delete_message
from tests.factories.identities import Answer, ApiClient, agent, agent_client, organization
from tests.factories.mail import mailbox_of, queue, receive, send
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

REPLAY = {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}
PNG = {"filename": "s.png", "content_type": "image/png", "content_base64": "iVBORw0KGgo=", "content_id": "stamp"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot", display_name="Billing Bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def reply_all(client: ApiClient, box: Mailbox, source: object, body: Any = None, **headers: str) -> Answer:
    return client.post(f"/mail/mailboxes/{box.email_address}/messages/{source}/reply-all", body, **headers)


def test_it_answers_everybody_in_the_thread(box: Mailbox, client: ApiClient) -> None:
    source = receive(
        box,
        sender="Ada L. <ada@customer.example>",
        cc="ops@customer.example, billing-bot@mail.localhost, not-an-address",
        subject="Invoice 4417",
        message_id="<inv@customer.example>",
    )
    shown = client.get(f"/mail/mailboxes/{box.pk}/messages/{source.pk}").json()["reply_all_recipients"]

    response = reply_all(
        client,
        box,
        source.pk,
        {
            "body_text": "Fixed.",
            "body_html": '<p>Fixed.</p><img src="cid:stamp">',
            "attachments": [PNG],
            "reply_to": "accounts@example.org",
        },
    )

    row = response.json()
    assert response.status_code == 201
    assert shown == {"to": ["ada@customer.example"], "cc": ["ops@customer.example"]}
    assert (row["to_addresses"], row["cc_addresses"]) == (shown["to"], shown["cc"])
    assert (row["subject"], row["thread_id"], row["status"]) == ("Re: Invoice 4417", str(source.thread_id), "queued")
    raw = load_raw(MessageContent.objects.get(message_id=row["id"]))
    parsed = parse_mail(raw)
    assert (parsed.in_reply_to, parsed.references) == ("<inv@customer.example>", ("<inv@customer.example>",))
    assert parsed.reply_to == ("accounts@example.org",)
    assert Thread.objects.get().message_count == 2


@pytest.mark.parametrize("body", [None, {}, {"subject": None, "body_text": None, "attachments": None}])
def test_everything_is_optional(box: Mailbox, client: ApiClient, body: Any) -> None:
    source = receive(box, subject="RE: Invoice")

    response = reply_all(client, box, source.pk, body)

    assert response.status_code == 201
    assert response.json()["subject"] == "RE: Invoice"


def test_an_own_subject_is_taken_as_it_is(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, subject="Invoice")

    assert reply_all(client, box, source.pk, {"subject": "Other"}).json()["subject"] == "Other"
    assert reply_all(client, box, source.pk, {"subject": ""}).json()["subject"] == ""


def test_an_answer_to_what_was_sent_goes_to_its_recipients(box: Mailbox, client: ApiClient) -> None:
    source = queue(box, "ada@x.example", cc=["ops@x.example"], bcc=["audit@x.example"], subject="Hello")

    row = reply_all(client, box, source.pk, {"body_text": "One more thing."}).json()

    assert (row["to_addresses"], row["cc_addresses"]) == (["ada@x.example"], ["ops@x.example"])
    assert Message.objects.get(pk=row["id"]).bcc_addresses is None
    assert (row["subject"], row["thread_id"]) == ("Re: Hello", str(source.thread_id))


def test_it_arrives_as_an_answer_on_this_server() -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme, "alpha")), mailbox_of(agent(acme, "bravo"))
    question = queue(alpha, bravo.email_address, subject="Question")
    send(question)
    assert bravo.identity is not None
    received = Message.objects.get(mailbox=bravo)
    row = reply_all(agent_client(bravo.identity), bravo, received.pk, {"body_text": "Answer."}).json()

    send(Message.objects.get(pk=row["id"]))

    answer = Message.objects.get(mailbox=alpha, direction="inbound")
    assert (answer.thread_id, answer.subject) == (question.thread_id, "Re: Question")
    types = list(Event.objects.filter(identity_id=bravo.identity_id).values_list("event_type", flat=True))
    assert sorted(types) == ["message.delivered", "message.received", "message.sent"]


def test_it_is_signed(box: Mailbox, client: ApiClient) -> None:
    Mailbox.objects.filter(pk=box.pk).update(signature_enabled=True, signature_text="Billing Bot")
    source = receive(box)

    row = reply_all(client, box, source.pk, {"body_text": "Fixed."}).json()

    assert MessageContent.objects.get(message_id=row["id"]).body_text == "Fixed.\n\n-- \nBilling Bot\n"


def test_a_repeat_gets_the_first_answer(box: Mailbox, client: ApiClient) -> None:
    source, other = receive(box), receive(box)
    first = reply_all(client, box, source.pk, {"body_text": "Fixed."}, **REPLAY)
    rows = all_rows()

    again = reply_all(client, box, str(source.pk).upper(), {"body_text": "Fixed."}, **REPLAY)
    changed = reply_all(client, box, source.pk, {"body_text": "Broken."}, **REPLAY)
    elsewhere = reply_all(client, box, other.pk, {"body_text": "Fixed."}, **REPLAY)

    assert (again.status_code, again.content) == (201, first.content)
    assert [a.json()["detail"]["error"] for a in (changed, elsewhere)] == ["idempotency_key_reused"] * 2
    assert all_rows() == rows
    delete_message(source)
    assert reply_all(client, box, source.pk, {"body_text": "Fixed."}, **REPLAY).content == first.content


def test_keys_of_other_operations_do_not_collide(box: Mailbox, client: ApiClient) -> None:
    source = receive(box)
    path = f"/mail/mailboxes/{box.pk}/messages"
    to = {"recipients": {"to": ["ada@x.example"]}}

    answers = [
        client.post(path, {**to, "subject": "s"}, **REPLAY),
        client.post(f"{path}/{source.pk}/reply-all", {}, **REPLAY),
        client.post(f"{path}/{source.pk}/forward", to, **REPLAY),
    ]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"subject": "a\nb"}, ["body", "subject"]),
        ({"reply_to": "nobody"}, ["body", "reply_to"]),
        ({"attachments": [PNG]}, ["body", "attachments", 0, "content_id"]),
        ({"attachments": [{**PNG, "content_id": None, "filename": "a.EXE"}]}, ["body", "attachments", 0, "filename"]),
        ({"track_opens": True, "body_text": "x"}, ["body", "track_opens"]),
        ({"body_text": 1}, ["body", "body_text"]),
    ],
)
def test_what_is_refused(box: Mailbox, client: ApiClient, body: Any, loc: list[Any]) -> None:
    source = receive(box)
    rows = all_rows()

    response = reply_all(client, box, source.pk, body, **REPLAY)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == loc
    assert all_rows() == rows


def test_nobody_to_answer(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, sender=box.email_address)
    rows = all_rows()

    response = reply_all(client, box, source.pk, {"body_text": "x"})

    assert (response.status_code, type(response.json()["detail"])) == (422, str)
    assert all_rows() == rows


def test_too_many_to_answer(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, cc=", ".join(f"a{n}@x.example" for n in range(50)))
    rows = all_rows()

    response = reply_all(client, box, source.pk, {"body_text": "x"})

    assert response.status_code == 422
    assert "51" in response.json()["detail"]
    assert all_rows() == rows


@pytest.mark.parametrize("source", [uuid4(), "nonsense"])
def test_an_unknown_message(box: Mailbox, client: ApiClient, source: object) -> None:
    rows = all_rows()

    assert reply_all(client, box, source, {}).status_code == 404
    assert all_rows() == rows
