"""Open tracking: the image in what goes out, and how its loads are counted (contract mail.md 4.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from mail.mime.parse import extract_attachments, parse_mail
from mail.mime.rewrite import insert_html
from mail.models import Mailbox, Message, MessageContent, SandboxMail
from mail.raw import load_raw
from mail.services.deleting import delete_message
from mail.tracking import open_token, read_open_token
from tests.factories.identities import agent, agent_client, organization
from tests.factories.mail import mailbox_of, queue, send
from tests.identities.rows import all_rows

START = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent())


def pixel(message: Message) -> str:
    return f"/i/{open_token(message.pk)}.gif"


def opens(message: Message) -> tuple[int, datetime | None]:
    message.refresh_from_db()
    return message.open_count, message.first_opened_at


# --- the image goes out, and only out


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body_html",
    [
        "<html><body><p>Hi.</p></body></html>",
        "<p>Grüße</p>",
        "日本語" * 100,
        "x" * 3000,
        "<p>trailing space \nand lines</p>\n",
    ],
)
@pytest.mark.parametrize("body_text", [None, "Hi."])
def test_only_what_goes_out_carries_the_image(box: Mailbox, body_text: str | None, body_html: str) -> None:
    message = queue(box, "ada@x.example", body_text=body_text, body_html=body_html, track_opens=True)

    send(message)

    content = MessageContent.objects.get(message=message)
    stored, sent = load_raw(content), load_raw(SandboxMail.objects.get())
    assert content.body_html == body_html
    assert b"/i/" not in stored
    shown = parse_mail(sent[sent.index(b"Date: ") :])
    address = f"http://localhost:8000{pixel(message)}"
    assert shown.body_html is not None
    assert shown.body_html.count(address) == 1
    assert address not in (shown.body_text or "") or body_text is None
    without = shown.body_html.replace(f'\n<img src="{address}" width="1" height="1" alt="" style="border:0">\n', "")
    assert without.rstrip("\n") == body_html.rstrip("\n")
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998


@pytest.mark.django_db
def test_attachments_and_text_stay_as_they_are(box: Mailbox) -> None:
    from mail.mime.build import OutgoingAttachment

    files = [
        OutgoingAttachment("a.html", "text/html", b"<body></body>"),
        OutgoingAttachment("s.png", "image/png", bytes(range(256)), "stamp"),
    ]
    html = '<img src="cid:stamp">'
    message = queue(box, "ada@x.example", body_html=html, attachments=files, track_opens=True)
    stored = load_raw(MessageContent.objects.get(message=message))

    send(message)

    sent = load_raw(SandboxMail.objects.get())
    assert [(a.part, a.content) for a in extract_attachments(sent)] == [
        (a.part, a.content) for a in extract_attachments(stored)
    ]
    assert parse_mail(sent).body_text == parse_mail(stored).body_text


@pytest.mark.django_db
def test_an_untracked_send_has_no_image(box: Mailbox) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>")

    send(message)

    assert b"/i/" not in load_raw(SandboxMail.objects.get())
    assert Client().get(pixel(message)).status_code == 200
    assert opens(message) == (0, None)


@pytest.mark.django_db
@pytest.mark.parametrize("size", [10, 300_000])
def test_a_receiver_here_gets_the_image_too(size: int) -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    message = queue(alpha, bravo.email_address, body_html=f"<p>{'x' * size}</p>", track_opens=True)

    send(message)

    arrived = MessageContent.objects.get(message__mailbox=bravo)
    assert pixel(message) in (arrived.body_html or "")
    assert pixel(message) in (parse_mail(load_raw(arrived)).body_html or "")
    assert pixel(message) not in (MessageContent.objects.get(message=message).body_html or "")


@given(st.text(alphabet="ab<>/bodyhtml= \né日", max_size=200))
def test_any_html_keeps_its_content(document: str) -> None:
    from mail.mime.build import OutgoingMail, build_mail

    def raw(body_html: str) -> bytes:
        return build_mail(
            OutgoingMail("<m@x.example>", START, "a@x.example", None, ("b@x.example",), (), "s", "t", body_html)
        )

    changed = parse_mail(insert_html(raw(document), "<hr>"))

    if document:
        assert (changed.body_html or "").replace("\n<hr>\n", "").strip() == document.strip()
    assert (changed.body_text or "").strip() == "t"


# --- loads


@pytest.mark.django_db
def test_opens_within_a_minute_count_once(box: Mailbox) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)
    client = Client()
    counts = []

    for seconds in (0, 1, 59, 60, 61, 119, 120, 3600):
        with time_machine.travel(START + timedelta(seconds=seconds), tick=False):
            client.get(pixel(message))
        counts.append(opens(message)[0])

    assert counts == [1, 1, 1, 2, 2, 2, 3, 4]
    assert opens(message) == (4, START)
    assert box.identity is not None
    row = agent_client(box.identity).get(f"/mail/mailboxes/{box.pk}/messages/{message.pk}").json()
    assert (row["open_count"], row["first_opened_at"]) == (4, "2026-05-04T10:00:00Z")


@pytest.mark.django_db
def test_the_image_is_never_cached(box: Mailbox) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)

    response = Client().get(pixel(message))

    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/gif")
    assert response.content[:6] == b"GIF89a"
    assert "no-store" in response.headers["Cache-Control"]
    assert "Set-Cookie" not in response.headers


@pytest.mark.django_db
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Purpose": "preview"}, {"X-Moz": "Prefetch"}],
)
def test_a_load_before_anybody_looks_is_no_open(box: Mailbox, headers: dict[str, str]) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)

    response = Client().get(pixel(message), headers=headers)

    assert response.status_code == 200
    assert opens(message) == (0, None)


@pytest.mark.django_db
def test_head_is_no_open_and_other_methods_are_refused(box: Mailbox) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)

    assert Client().head(pixel(message)).status_code == 200
    assert Client().post(pixel(message)).status_code == 405
    assert opens(message) == (0, None)


@pytest.mark.django_db
@pytest.mark.parametrize("changed", [0, 20, 30, 42])
def test_a_made_up_token_gets_the_image_and_changes_nothing(box: Mailbox, changed: int) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)
    token = open_token(message.pk)
    other = token[:changed] + ("A" if token[changed] != "A" else "B") + token[changed + 1 :]
    before = all_rows()

    with CaptureQueriesContext(connection) as queries:
        answers = [Client().get(f"/i/{text}.gif") for text in (other, "x", "%00" * 14 + "x", "é" * 43, token[:-1])]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.content for answer in answers}) == 1
    assert len(queries) == 0
    assert all_rows() == before


@pytest.mark.django_db
def test_a_deleted_message_is_not_opened_any_more(box: Mailbox) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)
    delete_message(message)

    Client().get(pixel(message))

    assert opens(message) == (0, None)


@pytest.mark.django_db
def test_an_open_costs_one_query(box: Mailbox) -> None:
    message = queue(box, "ada@x.example", body_html="<p>Hi.</p>", track_opens=True)

    with CaptureQueriesContext(connection) as queries:
        Client().get(pixel(message))

    assert len(queries) == 1


@given(st.text(max_size=50))
def test_reading_a_token_never_fails(text: str) -> None:
    assert read_open_token(text) is None


def test_tokens_come_back_and_depend_on_the_key(settings: object) -> None:
    row_id = uuid4()
    token = open_token(row_id)

    assert read_open_token(token) == row_id

    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]

    assert read_open_token(token) is None
