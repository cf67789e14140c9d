"""Sending over REST: what is accepted, and every refusal of contract mail.md sections 4.4, 4.10 and 4.12."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contacts.enums import MatchType, RuleAction, RuleChannel
from contacts.models import ContactRule
from identities.enums import FilterMode, IdentityStatus
from mail import limits
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
    unclaimed_agent,
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


def blobs() -> list[Path]:
    return sorted(path for path in settings.BLOB_DIR.glob("??/*"))


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
    box.identity.display_name = "Bot\r\nBcc: eve@evil.example\x00"
    box.identity.save()

    row = send(client, box).json()

    assert row["from_display_name"] == "Bot Bcc: eve@evil.example"
    assert b"\r\nBcc" not in raw_of(row)


# --- refusals


def _recipients(number: int) -> dict[str, list[str]]:
    return {"to": [f"a{n}@x.example" for n in range(number)]}


REFUSED: dict[str, tuple[dict[str, Any], list[str | int]]] = {
    "no recipients": ({"recipients": {}}, ["recipients", "to"]),
    "recipients missing": ({"recipients": None}, ["recipients"]),
    "recipients no object": ({"recipients": ["ada@x.example"]}, ["recipients"]),
    "to empty": ({"recipients": {"to": []}}, ["recipients", "to"]),
    "to null": ({"recipients": {"to": None, "cc": ["a@x.example"]}}, ["recipients", "to"]),
    "bcc only": ({"recipients": {"bcc": ["a@x.example"]}}, ["recipients", "to"]),
    "to text": ({"recipients": {"to": "ada@x.example"}}, ["recipients", "to"]),
    "address null": ({"recipients": {"to": [None]}}, ["recipients", "to", 0]),
    "address number": ({"recipients": {"to": [17]}}, ["recipients", "to", 0]),
    "address with name": ({"recipients": {"to": ["Ada <ada@x.example>"]}}, ["recipients", "to", 0]),
    "address without domain": ({"recipients": {"to": ["a@x.example", "ada"]}}, ["recipients", "to", 1]),
    "two in one": ({"recipients": {"to": ["a@x.example", "b@x.example,c@x.example"]}}, ["recipients", "to", 1]),
    "bad cc": ({"recipients": {"to": ["a@x.example"], "cc": ["x y@x.example"]}}, ["recipients", "cc", 0]),
    "header in address": (
        {"recipients": {"to": ["a@x.example"], "bcc": ["b@x.example\r\nBcc: eve@evil.example"]}},
        ["recipients", "bcc", 0],
    ),
    "address too long": ({"recipients": {"to": [f"{'a' * 60}@{'b' * 200}.example"]}}, ["recipients", "to", 0]),
    "51 recipients": ({"recipients": _recipients(51)}, ["recipients", "to"]),
    "51 over three lists": (
        {"recipients": {**_recipients(49), "cc": ["c@x.example"], "bcc": ["b@x.example"]}},
        ["recipients"],
    ),
    "subject missing": ({"subject": None}, ["subject"]),
    "subject no text": ({"subject": ["Hello"]}, ["subject"]),
    "subject too long": ({"subject": "x" * 999}, ["subject"]),
    "header in subject": ({"subject": "Hello\r\nBcc: eve@evil.example"}, ["subject"]),
    "line feed in subject": ({"subject": "Hello\n"}, ["subject"]),
    "NUL in subject": ({"subject": "Hel\x00lo"}, ["subject"]),
    "NUL in text": ({"body_text": "Hel\x00lo"}, ["body_text"]),
    "NUL in HTML": ({"body_html": "<p>\x00</p>"}, ["body_html"]),
    "NUL in address": ({"recipients": {"to": ["a\x00@x.example"]}}, ["recipients", "to", 0]),
    "text no text": ({"body_text": 17}, ["body_text"]),
    "text too long": ({"body_text": "x" * (limits.BODY_MAX_CHARS + 1)}, ["body_text"]),
    "reply-to no address": ({"reply_to": "nobody"}, ["reply_to"]),
    "reply-to empty": ({"reply_to": ""}, ["reply_to"]),
    "header in reply-to": ({"reply_to": "a@x.example\r\nBcc: eve@evil.example"}, ["reply_to"]),
    "parent no identifier": ({"in_reply_to_message_id": "the last one"}, ["in_reply_to_message_id"]),
    "parent bare without at": ({"in_reply_to_message_id": "abc123"}, ["in_reply_to_message_id"]),
    "header in parent": (
        {"in_reply_to_message_id": "<a@x.example>\r\nBcc: eve@evil.example"},
        ["in_reply_to_message_id"],
    ),
    "two parents": ({"in_reply_to_message_id": "<a@x.example><b@x.example>"}, ["in_reply_to_message_id"]),
    "parent empty brackets": ({"in_reply_to_message_id": "<>"}, ["in_reply_to_message_id"]),
    "parent invisible": ({"in_reply_to_message_id": "<a\u200b@x.example>"}, ["in_reply_to_message_id"]),
    "parent too long": ({"in_reply_to_message_id": f"<{'a' * 950}@x.example>"}, ["in_reply_to_message_id"]),
    "parent many bytes": ({"in_reply_to_message_id": f"<{'ü' * 500}@x.example>"}, ["in_reply_to_message_id"]),
    "attachments no list": ({"attachments": {"0": PDF}}, ["attachments"]),
    "attachment no object": ({"attachments": ["a.pdf"]}, ["attachments", 0]),
    "attachment empty": ({"attachments": [{}]}, ["attachments", 0, "filename"]),
    "101 attachments": ({"attachments": [PDF] * 101}, ["attachments"]),
    "file name empty": ({"attachments": [{**PDF, "filename": ""}]}, ["attachments", 0, "filename"]),
    "file name too long": ({"attachments": [{**PDF, "filename": "x" * 256}]}, ["attachments", 0, "filename"]),
    "header in file name": (
        {"attachments": [{**PDF, "filename": "a.pdf\r\nContent-Type: text/html"}]},
        ["attachments", 0, "filename"],
    ),
    "header in type": (
        {"attachments": [{**PDF, "content_type": "text/plain\r\nX: y"}]},
        ["attachments", 0, "content_type"],
    ),
    "type no type": ({"attachments": [{**PDF, "content_type": "pdf"}]}, ["attachments", 0, "content_type"]),
    "type of many": ({"attachments": [{**PDF, "content_type": "Multipart/mixed"}]}, ["attachments", 0, "content_type"]),
    "type with a name": (
        {"attachments": [{**PDF, "content_type": "text/plain; name=x.exe"}]},
        ["attachments", 0, "content_type"],
    ),
    "base64 null": ({"attachments": [{**PDF, "content_base64": None}]}, ["attachments", 0, "content_base64"]),
    "base64 number": ({"attachments": [{**PDF, "content_base64": 17}]}, ["attachments", 0, "content_base64"]),
    "base64 of other letters": ({"attachments": [PDF, {**PDF, "content_base64": "a_b-"}]}, ["attachments", 1, "content_base64"]),
    "base64 cut short": ({"attachments": [{**PDF, "content_base64": "JVBERi0"}]}, ["attachments", 0, "content_base64"]),
    "base64 with more behind": (
        {"attachments": [{**PDF, "content_base64": "JVBERi0=JVBE"}]},
        ["attachments", 0, "content_base64"],
    ),
    "base64 not ASCII": ({"attachments": [{**PDF, "content_base64": "JVBÉ"}]}, ["attachments", 0, "content_base64"]),
    "content_id without HTML": ({"attachments": [PNG]}, ["attachments", 0, "content_id"]),
    "content_id with empty HTML": ({"attachments": [PNG], "body_html": ""}, ["attachments", 0, "content_id"]),
    "content_id of no image": (
        {"attachments": [{**PDF, "content_id": "x"}], "body_html": "<p>"},
        ["attachments", 0, "content_type"],
    ),
    "content_id twice": ({"attachments": [PNG, PNG], "body_html": "<p>"}, ["attachments", 1, "content_id"]),
    "content_id twice in brackets": (
        {"attachments": [PNG, {**PNG, "content_id": "<stamp>"}], "body_html": "<p>"},
        ["attachments", 1, "content_id"],
    ),
    "content_id empty": ({"attachments": [{**PNG, "content_id": ""}], "body_html": "<p>"}, ["attachments", 0, "content_id"]),
    "content_id brackets": (
        {"attachments": [{**PNG, "content_id": "<>"}], "body_html": "<p>"},
        ["attachments", 0, "content_id"],
    ),
    "content_id not ASCII": (
        {"attachments": [{**PNG, "content_id": "stämp"}], "body_html": "<p>"},
        ["attachments", 0, "content_id"],
    ),
    "header in content_id": (
        {"attachments": [{**PNG, "content_id": "x\r\nBcc: eve@evil.example"}], "body_html": "<p>"},
        ["attachments", 0, "content_id"],
    ),
    "track_opens no boolean": ({"track_opens": "true"}, ["track_opens"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_the_field_and_leaves_nothing(box: Mailbox, client: ApiClient, case: str) -> None:
    changes, loc = REFUSED[case]
    rows, files = all_rows(), blobs()

    response = send(client, box, **changes)

    assert response.status_code == 422, response.content
    assert response.json()["detail"][0]["loc"] == ["body", *loc]
    assert response.json()["detail"][0]["msg"]
    assert (all_rows(), blobs()) == (rows, files)


@pytest.mark.parametrize("field", ["recipients", "subject"])
def test_a_required_field_that_is_absent_is_named(box: Mailbox, client: ApiClient, field: str) -> None:
    body = {name: value for name, value in SEND.items() if name != field}
    rows = all_rows()

    response = client.post(f"/mail/mailboxes/{box.pk}/messages", body)

    assert response.status_code == 422
    assert [issue["loc"] for issue in response.json()["detail"]] == [["body", field]]
    assert all_rows() == rows


@pytest.mark.parametrize(
    "name",
    [
        "setup.exe",
        "SETUP.EXE",
        "run.bat",
        "saver.scr",
        "setup.exe.",
        "setup.exe ",
        "setup.exe. . .",
        "setup.exe\u00a0",
        "setup.exe\u3000.",
        "setup.ex\u200be",
        "setup.exe\u200e",
        "setup.\uff25\uff38\uff25",
        "setup\uff0eexe",
        ".exe",
        "setup.exe/",
        "setup.exe:stream.txt",
        "setup.exe?",
        "setup.exe#.pdf",
        "dir\\setup.exe",
        "invoice.pdf.exe",
        "gpj.\u202eexe",
    ],
)
def test_programs_are_refused_however_they_are_spelled(box: Mailbox, client: ApiClient, name: str) -> None:
    rows = all_rows()

    response = send(client, box, attachments=[PDF, {**PDF, "filename": name}])

    assert response.status_code == 422
    assert response.json()["detail"] == [
        {
            "loc": ["body", "attachments", 1, "filename"],
            "msg": "Files of this type are not sent. Put it into an archive.",
            "type": "value_error",
        }
    ]
    assert all_rows() == rows


def test_attachments_up_to_25_mb_together(box: Mailbox, client: ApiClient) -> None:
    half = base64.b64encode(bytes(limits.ATTACHMENTS_TOTAL_BYTES // 2)).decode()
    one = base64.b64encode(b"x").decode()
    files = [{**PDF, "content_base64": half}, {**PDF, "content_base64": half}]

    accepted = send(client, box, attachments=files)
    rows, stored = all_rows(), blobs()
    refused = send(client, box, attachments=[*files, {**PDF, "content_base64": one}])

    assert accepted.status_code == 201
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "attachments"]
    assert (all_rows(), blobs()) == (rows, stored)


def test_open_tracking_is_refused_rather_than_ignored(box: Mailbox, client: ApiClient) -> None:
    rows = all_rows()

    response = send(client, box, track_opens=True, body_html="<p>")

    assert response.status_code == 501
    assert response.json()["detail"]["error"] == "not_implemented"
    assert all_rows() == rows


# --- permission and storage


def test_an_unclaimed_agent_writes_to_its_human_only() -> None:
    identity = unclaimed_agent(human_email="human@example.com")
    box, client = mailbox_of(identity), agent_client(identity)
    rows = all_rows()

    refused = send(client, box, recipients={"to": ["human@example.com"], "bcc": ["eve@evil.example"]})

    assert (refused.status_code, refused.json()["detail"]["error"]) == (403, "recipient_not_allowed")
    assert all_rows() == rows
    assert send(client, box, recipients={"to": ["Human@Example.com"]}).status_code == 201


def test_a_paused_identity_does_not_send() -> None:
    identity = agent(status=IdentityStatus.PAUSED.value)
    box, client = mailbox_of(identity), session_client(identity.organization)
    rows = all_rows()

    assert send(client, box).status_code == 403
    assert all_rows() == rows


@pytest.mark.parametrize("kind", ["to", "cc", "bcc"])
def test_one_blocked_recipient_refuses_the_whole_send(kind: str) -> None:
    identity = agent(mail_outbound_filter_mode=FilterMode.BLACKLIST.value)
    box, client = mailbox_of(identity), agent_client(identity)
    rule = ContactRule.objects.create(
        identity=identity,
        organization_id=identity.organization_id,
        channel=RuleChannel.MAIL.value,
        action=RuleAction.BLOCK.value,
        match_type=MatchType.DOMAIN.value,
        match_target="blocked.example",
    )
    recipients = {"to": ["ada@customer.example"], kind: ["Eve@\uff22locked.example"]}
    rows = all_rows()

    response = send(client, box, recipients=recipients)

    detail = response.json()["detail"]
    assert (response.status_code, detail["error"]) == (403, "recipient_blocked")
    assert (detail["matched_rule_id"], detail["address"]) == (str(rule.pk), "Eve@blocked.example")
    assert detail["reason"]
    assert detail["message"]
    assert all_rows() == rows


def test_whitelist_mode_refuses_without_a_rule() -> None:
    identity = agent(mail_outbound_filter_mode=FilterMode.WHITELIST.value)
    box, client = mailbox_of(identity), agent_client(identity)
    rows = all_rows()

    response = send(client, box)

    detail = response.json()["detail"]
    assert (response.status_code, detail["error"], detail["matched_rule_id"]) == (403, "recipient_blocked", None)
    assert all_rows() == rows


def test_a_full_mailbox_receives_but_does_not_send(box: Mailbox, client: ApiClient) -> None:
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=100)
    rows = all_rows()

    response = send(client, box)

    detail = response.json()["detail"]
    assert (response.status_code, detail["error"], detail["limit_bytes"]) == (402, "storage_limit_exceeded", 100)
    assert detail["upgrade_url"].startswith("http://localhost:8000/")
    assert detail["message"]
    assert all_rows() == rows
    receive(box)


def test_a_large_refused_message_leaves_at_most_a_blob_for_the_purge(box: Mailbox, client: ApiClient) -> None:
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=1000)
    large = base64.b64encode(bytes(2 * limits.INLINE_RAW_BYTES)).decode()
    rows = all_rows()

    response = send(client, box, attachments=[{**PDF, "content_base64": large}])

    assert response.status_code == 402
    assert all_rows() == rows


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
    st.sampled_from(["a@x.example", "=?utf-8?q?x?=@x.example", "a@☃.example", "<a@b>", "x.exe", "image/png", "JVBERi0="]),
    st.text(alphabet="ab@.<>\"=?;:/\\ \u200b\u202eüß☃\uff0e-", max_size=20),
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
