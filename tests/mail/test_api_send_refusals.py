"""What is not sent: every refusal of contract mail.md sections 4.4 and 4.12 leaves nothing behind."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from contacts.enums import MatchType, RuleAction, RuleChannel
from contacts.models import ContactRule
from identities.enums import FilterMode, IdentityStatus
from mail import limits
from mail.models import Mailbox
from tests.factories.identities import (
    Answer,
    ApiClient,
    agent,
    agent_client,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of, receive
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
    "base64 of other letters": (
        {"attachments": [PDF, {**PDF, "content_base64": "a_b-"}]},
        ["attachments", 1, "content_base64"],
    ),
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
    "content_id empty": (
        {"attachments": [{**PNG, "content_id": ""}], "body_html": "<p>"},
        ["attachments", 0, "content_id"],
    ),
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


@pytest.mark.parametrize("body_html", [None, "", " \n"])
def test_open_tracking_needs_html(box: Mailbox, client: ApiClient, body_html: str | None) -> None:
    rows = all_rows()

    response = send(client, box, track_opens=True, body_text="Hi", body_html=body_html)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "track_opens"]
    assert all_rows() == rows


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
