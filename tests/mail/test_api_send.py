"""Sending over REST: what is accepted, and the threads it joins (contract mail.md sections 4.4 and 4.10)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import time_machine
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mail.mime.parse import parse_mail
from mail.models import Mailbox, Message, MessageContent, OutboundJob, OutboundRecipient, Thread
from mail.raw import load_raw
from tests.factories.identities import (
    Answer,
    ApiClient,
    agent,
    agent_client,
    organization,
    session_client,
)
from tests.factories.mail import mailbox_of, raw_mail, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

SEND: dict[str, Any] = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Hello", "body_text": "Hi there."}
PDF = {"filename": "a.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0="}
PNG = {"filename": "s.png", "content_type": "image/png", "content_base64": "iVBORw0KGgo=", "content_id": "stamp"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot", display_name="Billing Bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def send(client: ApiClient, box: Mailbox, **changes: Any) -> Answer:
    return client.post(f"/mail/mailboxes/{box.email_address}/messages", {**SEND, **changes})


def raw_of(row: dict[str, Any]) -> bytes:
    return load_raw(MessageContent.objects.get(message_id=row["id"]))


# --- acceptance


@time_machine.travel("2026-05-04T10:01:12.554Z", tick=False)
def test_a_send_is_accepted_and_queued(box: Mailbox, client: ApiClient) -> None:
    body = {
        "recipients": {"to": ["ada@customer.example"], "cc": ["ops@customer.example"], "bcc": ["audit@example.org"]},
        "subject": "Invoice 4417",
        "body_text": "Fixed, see attached.",
        "body_html": '<p>Fixed, see attached.</p><img src="cid:stamp">',
        "reply_to": "accounts@example.org",
        "attachments": [PDF, PNG],
        "track_opens": False,
        "an_unknown_field": {"is": ["ignored"]},
    }

    response = client.post(f"/mail/mailboxes/{box.email_address}/messages/", body)

    message = Message.objects.get()
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "id": str(message.pk),
        "mailbox_id": str(box.pk),
        "thread_id": str(message.thread_id),
        "message_id": message.message_id,
        "from_address": "billing-bot@mail.localhost",
        "from_display_name": "Billing Bot",
        "to_addresses": ["ada@customer.example"],
        "cc_addresses": ["ops@customer.example"],
        "subject": "Invoice 4417",
        "snippet": "Fixed, see attached.",
        "direction": "outbound",
        "status": "queued",
        "is_read": True,
        "is_starred": False,
        "has_attachments": True,
        "first_opened_at": None,
        "open_count": 0,
        "import_job_id": None,
        "is_automatic": False,
        "approval_state": None,
        "approval_reason": None,
        "created_at": "2026-05-04T10:01:12.554000Z",
    }
    detail = client.get(f"/mail/mailboxes/{box.pk}/messages/{message.pk}").json()
    assert detail["body_text"] == body["body_text"]
    assert detail["body_html"] == body["body_html"]
    assert detail["bcc_addresses"] == ["audit@example.org"]
    assert [(a["filename"], a["size"], a["content_id"], a["is_inline"]) for a in detail["attachment_metadata"]] == [
        ("s.png", 8, "stamp", True),
        ("a.pdf", 5, None, False),
    ]
    raw = raw_of(detail)
    parsed = parse_mail(raw)
    assert (parsed.from_address, parsed.from_display_name) == ("billing-bot@mail.localhost", "Billing Bot")
    assert parsed.reply_to == ("accounts@example.org",)
    assert parsed.message_id == message.message_id
    assert message.message_id.endswith("@mail.localhost>")
    assert b"audit@example.org" not in raw
    rows = OutboundRecipient.objects.order_by("pk").values_list("address", "kind", "state")
    assert list(rows) == [
        ("ada@customer.example", "to", "pending"),
        ("ops@customer.example", "cc", "pending"),
        ("audit@example.org", "bcc", "pending"),
    ]
    assert OutboundJob.objects.get().message_id == message.pk
    box.refresh_from_db()
    assert box.storage_used_bytes == message.size_bytes == len(raw)


def test_a_sent_message_lists_as_it_was_answered(box: Mailbox, client: ApiClient) -> None:
    answered = send(client, box, attachments=[PDF]).json()

    listed = client.get(f"/mail/mailboxes/{box.pk}/messages").json()["items"]
    fetched = client.get(f"/mail/mailboxes/{box.pk}/messages/{answered['id']}").json()

    assert listed == [answered]
    assert {name: fetched[name] for name in answered} == answered


@pytest.mark.parametrize(
    "changes",
    [
        {"body_text": None, "body_html": None},
        {"body_text": "", "body_html": ""},
        {"subject": ""},
        {"subject": "x" * 998},
        {"subject": "Grüße 🎉 日本語"},
        {"body_text": "a\r\nb\rc\nd\u2028e\u0085f\x0b"},
        {"body_text": None, "body_html": "<p>only</p>"},
        {"attachments": []},
        {"attachments": None},
        {"track_opens": None},
        {"reply_to": None, "in_reply_to_message_id": None},
        {"in_reply_to_message_id": " "},
        {"recipients": {"to": [" <Ada@customer.example> "], "cc": None, "bcc": []}},
        {"recipients": {"to": ["jörg@müller.example"]}},
        {"recipients": {"to": [f"a{n}@x.example" for n in range(48)], "cc": ["c@x.example"], "bcc": ["b@x.example"]}},
        {"attachments": [{**PDF, "filename": "notes.exe.txt"}]},
        {"attachments": [{**PDF, "content_base64": ""}]},
        {"attachments": [{**PDF, "content_id": None}]},
        {"attachments": [{**PNG, "content_id": "<stamp>"}], "body_html": "<img src=cid:stamp>"},
        {"attachments": [{**PDF, "content_type": "message/rfc822"}]},
        {"attachments": [{**PDF, "filename": " "}]},
    ],
)
def test_what_is_accepted(box: Mailbox, client: ApiClient, changes: dict[str, Any]) -> None:
    response = send(client, box, **changes)

    assert response.status_code == 201, response.content
    row = client.get(f"/mail/mailboxes/{box.pk}/messages/{response.json()['id']}").json()
    for name in ("subject", "body_text", "body_html"):
        assert row[name] == {**SEND, **changes}.get(name)


def test_domains_are_stored_in_one_spelling(box: Mailbox, client: ApiClient) -> None:
    to = ["Ada@CUSTOMER.example", "b@\uff58.example", "c@MÜLLER.example", "c@xn--mller-kva.example"]

    row = send(client, box, recipients={"to": to, "bcc": ["ada@customer.EXAMPLE"]}).json()

    assert row["to_addresses"] == ["Ada@customer.example", "b@x.example", "c@xn--mller-kva.example"]
    assert OutboundRecipient.objects.count() == 3


def test_a_session_may_send(box: Mailbox) -> None:
    assert send(session_client(box.organization), box).status_code == 201


def test_a_display_name_with_line_breaks_cannot_start_a_header(box: Mailbox, client: ApiClient) -> None:
    assert box.identity is not None
    box.identity.display_name = "Bot\r\nBcc: eve@evil.example\x07"
    box.identity.save()

    row = send(client, box).json()

    assert row["from_display_name"] == "Bot Bcc: eve@evil.example"
    assert b"\r\nBcc" not in raw_of(row)


# --- threads


def test_an_answer_by_row_id_joins_the_thread(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<p2@x.example>", in_reply_to="<p1@x.example>")

    row = send(client, box, in_reply_to_message_id=str(parent.pk)).json()

    assert row["thread_id"] == str(parent.thread_id)
    detail = client.get(f"/mail/mailboxes/{box.pk}/messages/{row['id']}").json()
    assert detail["in_reply_to"] == "<p2@x.example>"
    assert detail["references"] == ["<p1@x.example>", "<p2@x.example>"]
    parsed = parse_mail(raw_of(row))
    assert (parsed.in_reply_to, parsed.references) == ("<p2@x.example>", ("<p1@x.example>", "<p2@x.example>"))
    assert Thread.objects.get(pk=parent.thread_id).message_count == 2


@pytest.mark.parametrize("reference", ["<p@x.example>", "p@x.example", "  <p@x.example>  "])
def test_an_answer_by_message_id_joins_the_thread(box: Mailbox, client: ApiClient, reference: str) -> None:
    parent = receive(box, message_id="<p@x.example>")

    row = send(client, box, in_reply_to_message_id=reference).json()

    assert row["thread_id"] == str(parent.thread_id)


def test_an_identifier_without_an_at_is_found_in_its_brackets(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<abc123>")

    row = send(client, box, in_reply_to_message_id=parent.message_id).json()

    assert row["thread_id"] == str(parent.thread_id)


def test_an_unknown_message_id_is_only_a_header(box: Mailbox, client: ApiClient) -> None:
    receive(box)

    row = send(client, box, in_reply_to_message_id="elsewhere@x.example").json()

    detail = client.get(f"/mail/mailboxes/{box.pk}/messages/{row['id']}").json()
    assert (detail["in_reply_to"], detail["references"]) == ("<elsewhere@x.example>", ["<elsewhere@x.example>"])
    assert Thread.objects.get(pk=row["thread_id"]).message_count == 1


def test_an_unknown_row_id_is_not_found(box: Mailbox, client: ApiClient) -> None:
    rows = all_rows()

    response = send(client, box, in_reply_to_message_id=str(uuid4()))

    assert (response.status_code, response.json()) == (404, {"detail": "Message not found"})
    assert all_rows() == rows


def test_a_message_of_another_mailbox_is_no_parent() -> None:
    acme = organization()
    one, two = agent(acme), agent(acme)
    parent = receive(mailbox_of(one), message_id="<p@x.example>")
    client, box = agent_client(two), mailbox_of(two)

    assert send(client, box, in_reply_to_message_id=str(parent.pk)).status_code == 404
    assert send(client, box, in_reply_to_message_id="<p@x.example>").json()["thread_id"] != str(parent.thread_id)


def test_an_answer_to_a_deleted_message_starts_anew(box: Mailbox, client: ApiClient) -> None:
    parent = receive(box, message_id="<p@x.example>")
    client.delete(f"/mail/mailboxes/{box.pk}/messages/{parent.pk}")

    assert send(client, box, in_reply_to_message_id=str(parent.pk)).status_code == 404
    row = send(client, box, in_reply_to_message_id="<p@x.example>").json()

    assert row["thread_id"] != str(parent.thread_id)
    assert [t["id"] for t in client.get(f"/mail/mailboxes/{box.pk}/threads").json()["items"]] == [row["thread_id"]]


def test_a_new_message_starts_a_thread_named_after_it(box: Mailbox, client: ApiClient) -> None:
    first, second = send(client, box).json(), send(client, box).json()

    assert first["thread_id"] != second["thread_id"]
    assert first["message_id"] != second["message_id"]
    thread = client.get(f"/mail/mailboxes/{box.pk}/threads/{first['thread_id']}").json()
    assert (thread["subject"], thread["folder"], thread["message_count"]) == ("Hello", "inbox", 1)


def test_a_long_chain_of_references_still_fits_the_header(box: Mailbox, client: ApiClient) -> None:
    raw = raw_mail(box.email_address, message_id="<last@x.example>")
    chain = " ".join(f"<{'r' * 400}{n}@x.example>" for n in range(90))
    parent = receive(box, f"References: {chain}\r\n".encode() + raw)

    row = send(client, box, in_reply_to_message_id=str(parent.pk)).json()

    parsed = parse_mail(raw_of(row))
    assert parsed.references[0] == f"<{'r' * 400}0@x.example>"
    assert parsed.references[-1] == "<last@x.example>"
    assert max(len(line) for line in raw_of(row).split(b"\r\n")) <= 998


# --- anything at all

_TEXTS = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(
        ["a@x.example", "=?utf-8?q?x?=@x.example", "a@☃.example", "<a@b>", "x.exe", "image/png", "JVBERi0="]
    ),
    st.text(alphabet='ab@.<>"=?;:/\\ \u200b\u202eüß☃\uff0e-', max_size=20),
)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.fixed_dictionaries(
        {"recipients": st.fixed_dictionaries({"to": st.lists(_TEXTS, max_size=2)}), "subject": _TEXTS},
        optional={
            "body_text": _TEXTS,
            "body_html": _TEXTS,
            "reply_to": _TEXTS,
            "in_reply_to_message_id": _TEXTS,
            "attachments": st.lists(
                st.fixed_dictionaries(
                    {"filename": _TEXTS, "content_type": _TEXTS, "content_base64": _TEXTS},
                    optional={"content_id": _TEXTS},
                ),
                max_size=2,
            ),
        },
    ),
    address=_TEXTS,
)
def test_no_body_makes_it_fail(box: Mailbox, client: ApiClient, body: dict[str, Any], address: str | None) -> None:
    # A valid recipient in front lets the rest of the body be reached.
    body["recipients"] = {"to": ["ada@customer.example"], "cc": [address] if address else []}

    response = client.post(f"/mail/mailboxes/{box.pk}/messages", body)

    assert response.status_code in (201, 422), response.content
    if response.status_code == 201:
        assert parse_mail(raw_of(response.json())).from_address == box.email_address
