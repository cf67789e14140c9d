"""Documents of strangers and downloads, and the outbox of the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from console import limits
from mail.mime.parse import parse_mail
from mail.models import Mailbox, Message, SandboxMail
from tests.console.pages import signed_in
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, queue, receive, send

pytestmark = pytest.mark.django_db

HTML = "<p>Hi</p><script>alert(1)</script><img src='cid:logo@x'><img src='cid:evil@x'><img src='https://x.example/p'>"
RAW = (
    b"From: a@b.example\r\nTo: alpha@mail.localhost\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n'
    + HTML.encode()
    + b"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Disposition: inline\r\n\r\nPNG"
    b"\r\n--b\r\nContent-Type: image/svg+xml\r\nContent-ID: <evil@x>\r\nContent-Disposition: inline\r\n\r\n<svg/>"
    b"\r\n--b--\r\n"
)


def box() -> tuple[Client, Mailbox]:
    acme = organization()
    return signed_in(acme), mailbox_of(agent(acme, "alpha"))


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def html(client: Client, row: Message, query: str = "") -> Any:
    return client.get(reverse("console:message_html", args=["alpha", row.pk]) + query)


def test_the_html_of_a_message_has_a_policy_of_its_own(settings: Any) -> None:
    client, mailbox = box()
    row = receive(mailbox, RAW)

    response = html(client, row)

    assert response.headers["Content-Security-Policy"] == (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        f"img-src data: {settings.PUBLIC_URL}/blobs/; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "alert" not in text(response)
    assert "x.example" not in text(response)


def test_images_of_the_message_itself_are_signed_links_that_need_no_session(settings: Any) -> None:
    client, mailbox = box()
    row = receive(mailbox, RAW)

    parts = text(html(client, row)).split('src="')[1:]

    assert len(parts) == 1
    link = parts[0].partition('"')[0]
    assert link.startswith(f"{settings.PUBLIC_URL}/blobs/")
    image = Client().get(link.removeprefix(settings.PUBLIC_URL))
    assert (image.content, image.headers["Content-Type"]) == (b"PNG", "image/png")


def test_a_message_full_of_images_shows_some_of_them() -> None:
    client, mailbox = box()
    row = receive(mailbox, RAW)
    part = {"filename": "a.png", "content_type": "image/png", "size": 1, "part_index": 0, "is_inline": True}
    row.attachment_metadata = [{**part, "content_id": f"i{number}"} for number in range(80)]
    row.save()
    row.content.body_html = "".join(f"<img src='cid:i{number}'>" for number in range(80))
    row.content.save()

    assert text(html(client, row)).count("/blobs/") == limits.OWN_IMAGES


def test_remote_images_come_when_they_are_asked_for() -> None:
    client, mailbox = box()
    row = receive(mailbox, RAW)

    response = html(client, row, "?images=1")

    assert "https://x.example/p" in text(response)
    assert " https:;" in response.headers["Content-Security-Policy"]
    assert "https://x.example/p" not in text(html(client, row, "?images=yes"))


def test_text_is_shown_the_same_way_where_there_is_no_html() -> None:
    client, mailbox = box()
    row = receive(mailbox, text="<script>alert(1)</script>\n")

    response = html(client, row)

    assert "<pre>&lt;script&gt;alert(1)&lt;/script&gt;" in text(response)
    assert response.headers["Content-Security-Policy"].startswith("sandbox ")


def test_files_are_downloads_and_never_pages() -> None:
    client, mailbox = box()
    row = receive(mailbox, attachments=(("page.html", "text/html", b"<script>alert(1)</script>"),))

    link = client.get(reverse("console:attachment", args=["alpha", row.pk, 0])).headers["Location"]
    found = Client().get("/blobs/" + link.rpartition("/blobs/")[2])

    assert found.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert found.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert client.get(reverse("console:attachment", args=["alpha", row.pk, 1])).status_code == 404


def test_the_source_is_a_download() -> None:
    client, mailbox = box()
    row = receive(mailbox, RAW)

    response = client.get(reverse("console:message_source", args=["alpha", row.pk]))

    assert response.content == RAW
    assert response.headers["Content-Disposition"] == f'attachment; filename="message-{row.pk}.eml"'
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_the_outbox_shows_what_would_have_left() -> None:
    client, mailbox = box()
    row = queue(mailbox, "ada@customer.example", subject="Offer <b>", body_html=HTML, bcc=["carl@customer.example"])
    send(row)
    kept = SandboxMail.objects.get()

    listing = text(client.get(reverse("console:outbox")))
    page = text(client.get(reverse("console:outbox_mail", args=[kept.pk])))
    frame = client.get(reverse("console:outbox_html", args=[kept.pk]))
    source = client.get(reverse("console:outbox_source", args=[kept.pk]))

    assert "Offer &lt;b&gt;" in listing
    assert "ada@customer.example, carl@customer.example" in page
    assert reverse("console:thread", args=["alpha", row.thread_id]) in page
    assert 'class="frame-box large"' in page
    assert "alert" not in text(frame)
    assert frame.headers["Content-Security-Policy"].startswith("sandbox ")
    assert parse_mail(source.content).subject == "Offer <b>"


def test_the_outbox_is_that_of_the_organization_alone_and_comes_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "THREADS_PER_PAGE", 2)
    acme, other = organization(), organization()
    for of, count in ((acme, 3), (other, 1)):
        for number in range(count):
            SandboxMail.objects.create(
                organization_id=of.pk, subject=f"{of.name} mail {number}", recipients=["a@b.example"]
            )
    client = signed_in(acme)

    first = client.get(reverse("console:outbox"))
    second = client.get(reverse("console:outbox"), {"cursor": first.context["rows"].next_cursor})

    assert [row.subject[-1] for row in first.context["rows"].items] == ["2", "1"]
    assert [row.subject[-1] for row in second.context["rows"].items] == ["0"]
    assert f"{other.name} mail" not in text(first) + text(second)


def test_a_long_outbox_costs_what_a_short_one_costs() -> None:
    client, mailbox = box()
    path = reverse("console:outbox")

    counts = []
    for size in (1, 5):
        for _ in range(size):
            send(queue(mailbox, "ada@customer.example"))
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 6


@pytest.mark.parametrize(("transport", "is_there"), [("sandbox", True), ("mx", False)])
def test_the_outbox_is_in_the_navigation_where_mail_stays_in_it(settings: Any, transport: str, is_there: bool) -> None:
    settings.MAIL_TRANSPORT = transport

    page = text(signed_in(organization()).get(reverse("console:agents")))

    assert (f'href="{reverse("console:outbox")}"' in page) is is_there
