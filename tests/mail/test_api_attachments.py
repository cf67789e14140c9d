"""Download links of attachments (contract mail.md section 4.7)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest
import time_machine
from django.core import signing
from django.test import Client

from common.clock import now
from mail import limits
from mail.models import Mailbox, Message
from tests.factories.identities import ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of, queue, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 \x00\xff\r\n."


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def with_files(box: Mailbox, *names: str, content: bytes = PDF, content_type: str = "application/pdf") -> Message:
    return receive(box, attachments=tuple((name, content_type, content) for name in names))


def link_path(message: Message, filename: str, query: str = "") -> str:
    return f"/mail/mailboxes/{message.mailbox_id}/messages/{message.pk}/attachments/{quote(filename)}{query}"


def url_of(client: ApiClient, message: Message, filename: str) -> str:
    url: str = client.get(link_path(message, filename)).json()["url"]
    return urlsplit(url).path


def test_a_link_works_without_a_key_and_downloads(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")

    response = client.get(link_path(message, "invoice.pdf"))

    body = response.json()
    assert response.status_code == 200
    assert body == {"url": body["url"], "filename": "invoice.pdf", "expires_in": 3600, "expiresIn": 3600}
    assert body["url"].startswith("http://localhost:8000/blobs/")
    download = Client().get(urlsplit(body["url"]).path)
    assert (download.status_code, download.content) == (200, PDF)
    assert download["Content-Type"] == "application/pdf"
    assert download["Content-Disposition"] == 'attachment; filename="invoice.pdf"'
    assert download["X-Content-Type-Options"] == "nosniff"
    assert download["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert download["Cache-Control"] == "private, max-age=3600"


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript"])
def test_what_a_browser_would_run_is_only_downloaded(box: Mailbox, client: ApiClient, content_type: str) -> None:
    message = with_files(box, "x.html", content=b"<script>alert(1)</script>", content_type=content_type)

    download = Client().get(url_of(client, message, "x.html"))

    assert download.status_code == 200
    assert download["Content-Disposition"].startswith("attachment")
    assert download["X-Content-Type-Options"] == "nosniff"
    assert download["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("sent", "stored", "disposition"),
    [
        ("my report.pdf", "my report.pdf", 'attachment; filename="my report.pdf"'),
        (
            "Übersicht \u2013 März.pdf",
            "Übersicht \u2013 März.pdf",
            "attachment; filename*=utf-8''%C3%9Cbersicht%20%E2%80%93",
        ),
        ("100%.pdf", "100%.pdf", 'attachment; filename="100%.pdf"'),
        ("a&b=c+d;e.pdf", "a&b=c+d;e.pdf", 'attachment; filename="a&b=c+d;e.pdf"'),
        ('say "hi".pdf', 'say "hi".pdf', r'attachment; filename="say \"hi\".pdf"'),
        ("../../etc/passwd", "etcpasswd", 'attachment; filename="etcpasswd"'),
        ("what?#.pdf", "what.pdf", 'attachment; filename="what.pdf"'),
        ("日本語.pdf", "日本語.pdf", "attachment; filename*=utf-8''%E6%97%A5"),
    ],
)
def test_any_file_name_can_be_asked_for(
    box: Mailbox, client: ApiClient, sent: str, stored: str, disposition: str
) -> None:
    message = with_files(box, sent)

    response = client.get(link_path(message, stored))

    assert (response.status_code, response.json()["filename"]) == (200, stored)
    download = Client().get(urlsplit(response.json()["url"]).path)
    assert download.content == PDF
    assert download["Content-Disposition"].startswith(disposition)


def test_files_of_one_name_are_told_apart(box: Mailbox, client: ApiClient) -> None:
    message = receive(
        box,
        attachments=(("report.pdf", "application/pdf", b"first"), ("report.pdf", "application/pdf", b"second")),
    )

    contents = [Client().get(url_of(client, message, name)).content for name in ("report.pdf", "report (2).pdf")]

    assert contents == [b"first", b"second"]


def test_a_redirect_has_a_body_for_clients_that_do_not_follow(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")

    response = client.get(link_path(message, "invoice.pdf", "?redirect=true"))

    assert response.status_code == 302
    assert response.headers["Location"] == response.json()["url"]
    assert Client().get(urlsplit(response.headers["Location"]).path).content == PDF


def test_redirect_false_is_the_default(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")

    assert client.get(link_path(message, "invoice.pdf", "?redirect=false")).status_code == 200


@pytest.mark.parametrize("value", ["maybe", "2", "%00"])
def test_a_redirect_that_is_neither_is_refused(box: Mailbox, client: ApiClient, value: str) -> None:
    message = with_files(box, "invoice.pdf")

    response = client.get(link_path(message, "invoice.pdf", f"?redirect={value}"))

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == "redirect"


@pytest.mark.parametrize("name", ["other.pdf", "INVOICE.PDF", "invoice.pdf ", "\x00", "..", "invoice"])
def test_an_unknown_file_is_not_found(box: Mailbox, client: ApiClient, name: str) -> None:
    message = with_files(box, "invoice.pdf")

    response = client.get(link_path(message, name))

    assert (response.status_code, response.json()) == (404, {"detail": "Attachment not found"})


def test_a_message_without_files_has_none(box: Mailbox, client: ApiClient) -> None:
    assert client.get(link_path(receive(box), "invoice.pdf")).status_code == 404


def test_a_link_ends(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")
    moment = now()
    with time_machine.travel(moment, tick=False):
        path = url_of(client, message, "invoice.pdf")

    with time_machine.travel(moment + timedelta(seconds=limits.ATTACHMENT_URL_SECONDS - 1), tick=False):
        assert Client().get(path).status_code == 200
    with time_machine.travel(moment + timedelta(seconds=limits.ATTACHMENT_URL_SECONDS + 1), tick=False):
        late = Client().get(path)

    assert late.status_code == 410
    assert late.json() == {"detail": "This link has expired. Ask for a new one."}


def test_a_link_cannot_be_changed(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")
    path = url_of(client, message, "invoice.pdf")
    token = path.removeprefix("/blobs/")
    payload, moment, signature = token.split(":")
    other = signing.dumps([str(message.pk), 0], salt="another.purpose", compress=False)
    forged = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        f"{payload}x:{moment}:{signature}",
        f"{payload}:{moment}",
        f":{moment}:{signature}",
        other,
        "x",
        "%00",
        "€:€:€",
        "." + token,
    ]

    for text in forged:
        answer = Client().get(f"/blobs/{text}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Attachment not found"}), text


def test_a_link_dies_with_its_message(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")
    path = url_of(client, message, "invoice.pdf")

    client.delete(f"/mail/mailboxes/{box.pk}/messages/{message.pk}")

    assert Client().get(path).status_code == 404


def test_a_link_dies_with_its_mailbox(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")
    path = url_of(client, message, "invoice.pdf")

    Mailbox.objects.filter(pk=box.pk).update(deleted_at=now())

    assert Client().get(path).status_code == 404


def test_a_large_file_comes_back_whole(box: Mailbox, client: ApiClient) -> None:
    content = bytes(range(256)) * 1024
    message = with_files(box, "large.bin", content=content, content_type="application/octet-stream")
    assert message.content.raw_key is not None

    assert Client().get(url_of(client, message, "large.bin")).content == content


def test_an_inline_image_can_be_downloaded_as_well(box: Mailbox, client: ApiClient) -> None:
    raw = (
        b"From: ada@customer.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<img src=cid:x>\r\n--b\r\nContent-Type: image/png; name=x.png\r\n"
        b"Content-ID: <x>\r\n\r\nPNG\r\n--b--\r\n"
    )
    message = receive(box, raw)

    assert Client().get(url_of(client, message, "x.png")).content == b"PNG"


def test_files_of_a_sent_message_can_be_downloaded(box: Mailbox, client: ApiClient) -> None:
    response = client.post(
        f"/mail/mailboxes/{box.pk}/messages",
        {
            "recipients": {"to": ["ada@customer.example"]},
            "subject": "Files",
            "attachments": [
                {"filename": "a/b: c.txt", "content_type": "text/plain; charset=utf-8", "content_base64": "aGk="},
                {"filename": "empty.bin", "content_type": "application/octet-stream", "content_base64": ""},
            ],
        },
    )

    message = Message.objects.get(pk=response.json()["id"])
    assert response.json()["has_attachments"] is True
    assert Client().get(url_of(client, message, "ab: c.txt")).content == b"hi"
    assert Client().get(url_of(client, message, "empty.bin")).content == b""


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_link_is_for_reading(box: Mailbox, client: ApiClient, method: str) -> None:
    message = with_files(box, "invoice.pdf")
    path = url_of(client, message, "invoice.pdf")
    before = all_rows()

    response = getattr(Client(), method)(path)

    assert response.status_code == 405
    assert all_rows() == before


def test_asking_for_a_link_changes_nothing(box: Mailbox, client: ApiClient) -> None:
    message = with_files(box, "invoice.pdf")
    before = all_rows()

    url_of(client, message, "invoice.pdf")

    assert all_rows() == before


def test_a_queued_message_without_files_has_no_links(box: Mailbox, client: ApiClient) -> None:
    message = queue(box, "ada@customer.example")

    assert client.get(link_path(message, "attachment-1.bin")).status_code == 404
