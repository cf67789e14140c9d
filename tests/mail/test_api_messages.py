"""Messages over REST: shapes, flags, deletion, what blocked mail looks like (contract mail.md section 4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine

from identities.enums import FilterMode
from mail.models import Mailbox, Message, Thread
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of, queue, raw_mail, receive
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

NOBODY = "00000000-0000-7000-8000-000000000000"


def messages_of(box: Mailbox, rest: str = "") -> str:
    return f"/mail/mailboxes/{box.email_address}/messages{rest}"


def listed(client: ApiClient, box: Mailbox, **query: Any) -> dict[str, Any]:
    response = client.get(messages_of(box, f"?{urlencode(query)}"))
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [row["id"] for row in body["items"]]


def invoice(box: Mailbox) -> Message:
    """The inbound message of the contract's example."""
    raw = raw_mail(
        box.email_address,
        message_id="<20260504.7f3a@customer.example>",
        in_reply_to="<inv-4417@mail.example.org>",
        cc="ops@customer.example",
        text="Hi, the total on invoice 4417 looks off by 20.\n",
        html="<p>Hi, the total on invoice 4417 looks off by 20.</p>\n",
        attachments=(("invoice.pdf", "application/pdf", b"%PDF-" + b"x" * 48_206),),
    )
    return receive(box, raw)


def as_listed(message: Message, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(message.pk),
        "mailbox_id": str(message.mailbox_id),
        "thread_id": str(message.thread_id),
        "message_id": "<20260504.7f3a@customer.example>",
        "from_address": "ada@customer.example",
        "from_display_name": "Ada L.",
        "to_addresses": ["billing-bot@mail.localhost"],
        "cc_addresses": ["ops@customer.example"],
        "subject": "Invoice 4417",
        "snippet": "Hi, the total on invoice 4417 looks off by 20.",
        "direction": "inbound",
        "status": "received",
        "is_read": False,
        "is_starred": False,
        "has_attachments": True,
        "first_opened_at": None,
        "open_count": 0,
        "import_job_id": None,
        "is_automatic": False,
        "approval_state": None,
        "approval_reason": None,
        "created_at": "2026-05-04T10:01:12.554000Z",
        **changes,
    }


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


# --- shapes


def test_a_listed_message_has_every_field(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:01:12.554Z", tick=False):
        message = invoice(box)

    body = listed(client, box)

    assert body == {"items": [as_listed(message)], "has_more": False, "next_cursor": None}


def test_a_fetched_message_has_its_bodies_and_is_read(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:01:12.554Z", tick=False):
        message = invoice(box)

    with time_machine.travel("2026-05-04T10:02:00Z", tick=False):
        # The key was made later than this moment, and does not mind.
        response = client.get(messages_of(box, f"/{message.pk}"))

    expected = {
        **as_listed(message, is_read=True),
        "bcc_addresses": None,
        "updated_at": "2026-05-04T10:02:00Z",
        "body_text": "Hi, the total on invoice 4417 looks off by 20.\n",
        "body_html": "<p>Hi, the total on invoice 4417 looks off by 20.</p>\n",
        "in_reply_to": "<inv-4417@mail.example.org>",
        "references": ["<inv-4417@mail.example.org>"],
        "attachment_metadata": [
            {
                "filename": "invoice.pdf",
                "content_type": "application/pdf",
                "size": 48_211,
                "content_id": None,
                "is_inline": False,
                "part_index": 0,
                "text_status": "pending",
            }
        ],
        "ses_message_id": None,
        "reply_all_recipients": {"to": ["ada@customer.example"], "cc": ["ops@customer.example"]},
        "authentication": None,
        "spam": None,
        "extracted_text": "Hi, the total on invoice 4417 looks off by 20.",
    }
    assert (response.status_code, response.json()) == (200, expected)
    assert client.get(messages_of(box, f"/{message.pk}/")).json() == expected


def test_what_is_missing_is_null(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, b"\r\nno header at all\r\n")

    row = client.get(messages_of(box, f"/{message.pk}")).json()

    for name in ("cc_addresses", "bcc_addresses", "subject", "in_reply_to", "references", "attachment_metadata"):
        assert row[name] is None, name
    assert (row["from_address"], row["from_display_name"], row["to_addresses"]) == ("", None, [])
    assert row["message_id"] == f"<{message.pk}@mail.localhost>"
    assert row["has_attachments"] is False
    assert row["reply_all_recipients"] == {"to": [], "cc": []}
    assert (row["body_text"], row["body_html"]) == ("no header at all\n", None)


def test_a_sent_message_has_its_blind_recipients(box: Mailbox, client: ApiClient) -> None:
    message = queue(box, "ada@customer.example", cc=["ops@customer.example"], bcc=["audit@example.org"])

    row = client.get(messages_of(box, f"/{message.pk}")).json()

    assert (row["direction"], row["status"], row["is_read"]) == ("outbound", "queued", True)
    assert row["bcc_addresses"] == ["audit@example.org"]
    assert row["reply_all_recipients"] == {"to": ["ada@customer.example"], "cc": ["ops@customer.example"]}
    assert "bcc_addresses" not in listed(client, box)["items"][0]


def test_only_files_count_as_attachments(box: Mailbox, client: ApiClient) -> None:
    def raw(disposition: str, *headers: str) -> bytes:
        part = "\r\n".join(["Content-Type: image/png", f"Content-Disposition: {disposition}", *headers])
        return (
            b"From: ada@customer.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/html\r\n\r\n<img src=cid:x>\r\n--b\r\n"
            + part.encode()
            + b"\r\n\r\nPNG\r\n--b--\r\n"
        )

    shown = receive(box, raw('inline; filename="x.png"', "Content-ID: <x>"))
    marked_inline_without_id = receive(box, raw('inline; filename="scan.png"'))
    file = receive(box, raw('attachment; filename="y.png"', "Content-ID: <y>"))

    found = {row["id"]: row["has_attachments"] for row in listed(client, box)["items"]}

    assert found == {str(shown.pk): False, str(marked_inline_without_id.pk): True, str(file.pk): True}
    details = [client.get(messages_of(box, f"/{m.pk}")).json() for m in (shown, marked_inline_without_id, file)]
    assert [d["attachment_metadata"][0]["is_inline"] for d in details] == [True, False, False]
    assert [d["has_attachments"] for d in details] == [False, True, True]


def test_an_identifier_too_long_for_an_index_is_replaced(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, raw_mail(box.email_address, message_id=f"<{'x' * 3000}@customer.example>"))

    row = client.get(messages_of(box, f"/{message.pk}")).json()

    assert row["message_id"] == f"<{message.pk}@mail.localhost>"


# --- marking as read


@pytest.mark.parametrize(
    ("kind", "is_read"), [("admin", True), ("agent", True), ("unclaimed", True), ("session", False)]
)
def test_reading_with_a_key_marks_an_inbound_message(kind: str, is_read: bool) -> None:
    acme = organization()
    identity = unclaimed_agent(acme) if kind == "unclaimed" else agent(acme)
    box = mailbox_of(identity)
    message = receive(box)
    clients = {"admin": admin_client, "session": session_client}
    client = clients[kind](acme) if kind in clients else agent_client(identity)

    row = client.get(messages_of(box, f"/{message.pk}")).json()

    assert row["is_read"] is is_read
    message.refresh_from_db()
    assert message.is_read is is_read


def test_other_reads_mark_nothing(box: Mailbox, client: ApiClient) -> None:
    message = invoice(box)
    before = all_rows()

    client.get(messages_of(box))
    client.get(messages_of(box, f"/{message.pk}/attachments/invoice.pdf"))
    client.get(f"/mail/mailboxes/{box.pk}/threads")
    client.get(f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}")

    assert all_rows() == before


def test_reading_leaves_an_outbound_message_alone(box: Mailbox, client: ApiClient) -> None:
    message = queue(box, "ada@customer.example")
    Message.objects.filter(pk=message.pk).update(is_read=False)
    before = all_rows()

    row = client.get(messages_of(box, f"/{message.pk}")).json()

    assert row["is_read"] is False
    assert all_rows() == before


def test_a_second_read_changes_nothing(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)
    first = client.get(messages_of(box, f"/{message.pk}")).json()
    before = all_rows()

    second = client.get(messages_of(box, f"/{message.pk}")).json()

    assert second == first
    assert all_rows() == before


# --- flags


@pytest.mark.parametrize(
    ("body", "flags"),
    [
        ({"is_read": True}, (True, False)),
        ({"is_starred": True}, (False, True)),
        ({"is_read": True, "is_starred": True}, (True, True)),
        ({"is_read": False}, (False, False)),
        ({"color": "red"}, (False, False)),
        ({}, (False, False)),
        (None, (False, False)),
    ],
)
def test_flags_change_one_by_one(
    box: Mailbox, client: ApiClient, body: dict[str, Any] | None, flags: tuple[bool, bool]
) -> None:
    with time_machine.travel("2026-05-04T10:01:12.554Z", tick=False):
        message = invoice(box)

    response = client.patch(messages_of(box, f"/{message.pk}"), body)

    assert response.status_code == 200
    assert response.json() == as_listed(message, is_read=flags[0], is_starred=flags[1])
    message.refresh_from_db()
    assert (message.is_read, message.is_starred) == flags


def test_flags_of_an_outbound_message_change_too(box: Mailbox, client: ApiClient) -> None:
    message = queue(box, "ada@customer.example")

    row = client.patch(messages_of(box, f"/{message.pk}"), {"is_read": False, "is_starred": True}).json()

    assert (row["is_read"], row["is_starred"]) == (False, True)


@pytest.mark.parametrize("value", [None, "true", "", 1, 0, 1.0, [], {}, [True]])
@pytest.mark.parametrize("field", ["is_read", "is_starred"])
def test_a_flag_is_true_or_false(box: Mailbox, client: ApiClient, field: str, value: Any) -> None:
    message = receive(box)
    before = all_rows()

    response = client.patch(messages_of(box, f"/{message.pk}"), {"is_read": True, field: value})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", field]
    assert all_rows() == before


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("row_id", [NOBODY, "17", "%00", "<20260504.7f3a@customer.example>", "x" * 300])
def test_an_unknown_message_is_not_found(box: Mailbox, client: ApiClient, method: str, row_id: str) -> None:
    invoice(box)
    before = all_rows()

    response = client.call(method, messages_of(box, f"/{row_id}"), {"is_read": True} if method == "PATCH" else None)

    assert (response.status_code, response.json()) == (404, {"detail": "Message not found"})
    assert all_rows() == before


# --- deletion


def test_a_deleted_message_is_gone_everywhere_and_frees_its_storage(box: Mailbox, client: ApiClient) -> None:
    parent = invoice(box)
    reply = receive(box, in_reply_to=parent.message_id)
    thread_path = f"/mail/mailboxes/{box.pk}/threads/{parent.thread_id}"
    events = Event.objects.count()

    response = client.delete(messages_of(box, f"/{parent.pk}"))

    assert (response.status_code, response.content) == (204, b"")
    assert client.get(f"/mail/mailboxes/{box.pk}").json()["storage_used_bytes"] == reply.size_bytes
    assert ids(listed(client, box)) == [str(reply.pk)]
    thread = client.get(thread_path).json()
    assert (thread["message_count"], [m["id"] for m in thread["messages"]]) == (1, [str(reply.pk)])
    for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/attachments/invoice.pdf")):
        assert client.call(method, messages_of(box, f"/{parent.pk}{rest}")).status_code == 404, (method, rest)
    assert Event.objects.count() == events


def test_a_thread_goes_with_its_last_message(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)

    client.delete(messages_of(box, f"/{message.pk}"))

    assert client.get(f"/mail/mailboxes/{box.pk}/threads/{message.thread_id}").status_code == 404
    assert client.get(f"/mail/mailboxes/{box.pk}/threads").json()["items"] == []
    assert client.get(f"/mail/mailboxes/{box.pk}/threads/folders").json() == []
    assert client.get(f"/mail/mailboxes/{box.pk}").json()["storage_used_bytes"] == 0


def test_a_session_may_delete_too() -> None:
    acme = organization()
    box = mailbox_of(agent(acme))
    message = queue(box, "ada@customer.example")

    assert session_client(acme).delete(messages_of(box, f"/{message.pk}")).status_code == 204


# --- blocked mail


def test_blocked_mail_is_invisible_to_agents_and_visible_to_people() -> None:
    acme = organization()
    identity = agent(acme, mail_inbound_filter_mode=FilterMode.WHITELIST.value)
    box = mailbox_of(identity)
    message = invoice(box)
    theirs, ours = agent_client(identity), admin_client(acme)
    base = f"/mail/mailboxes/{box.pk}"
    paths = [
        f"/messages/{message.pk}",
        f"/messages/{message.pk}/attachments/invoice.pdf",
        f"/threads/{message.thread_id}",
    ]
    before = all_rows()

    assert [theirs.get(base + path).status_code for path in paths] == [404, 404, 404]
    assert theirs.patch(base + paths[0], {"is_read": True}).status_code == 404
    assert theirs.delete(base + paths[0]).status_code == 404
    assert theirs.get(f"{base}/messages").json()["items"] == []
    assert theirs.get(f"{base}/messages?direction=inbound&start_datetime=2000-01-01").json()["items"] == []
    assert theirs.get(f"{base}/threads").json()["items"] == []
    assert theirs.get(f"{base}/threads?folder=blocked").json()["items"] == []
    assert theirs.get(f"{base}/threads/folders").json() == []
    assert all_rows() == before

    assert [ours.get(base + path).status_code for path in paths] == [200, 200, 200]
    assert ids(ours.get(f"{base}/messages").json()) == [str(message.pk)]
    assert ids(ours.get(f"{base}/threads?folder=blocked").json()) == [str(message.thread_id)]
    assert ours.get(f"{base}/threads/folders").json() == ["blocked"]
    assert ours.delete(base + paths[0]).status_code == 204


def test_an_agent_cannot_answer_what_it_cannot_see() -> None:
    acme = organization()
    identity = agent(acme, mail_inbound_filter_mode=FilterMode.WHITELIST.value)
    box = mailbox_of(identity)
    blocked = invoice(box)
    send = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Re: Invoice 4417"}
    theirs, ours = agent_client(identity), admin_client(acme)
    before = all_rows()

    by_row = theirs.post(messages_of(box), {**send, "in_reply_to_message_id": str(blocked.pk)})

    assert by_row.status_code == 404
    assert all_rows() == before

    by_header = theirs.post(messages_of(box), {**send, "in_reply_to_message_id": blocked.message_id}).json()

    assert by_header["thread_id"] != str(blocked.thread_id)
    assert theirs.get(f"/mail/mailboxes/{box.pk}/threads/{by_header['thread_id']}").status_code == 200

    by_admin = ours.post(messages_of(box), {**send, "in_reply_to_message_id": str(blocked.pk)}).json()

    assert by_admin["thread_id"] == str(blocked.thread_id)
    assert theirs.get(messages_of(box, f"/{by_admin['id']}")).status_code == 404
    assert Thread.objects.get(pk=blocked.thread_id).message_count == 2
