"""The mail of an agent: lists, search, the reader, and what is done to threads and messages."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from console import limits
from identities.enums import Role
from mail.enums import Folder
from mail.models import Mailbox, Message, MessageContent, OutboundRecipient, Thread
from tests.console.pages import signed_in
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, queue, receive, send

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def box(handle: str = "alpha") -> tuple[Client, Mailbox]:
    """A signed-in owner and the mailbox of an agent."""
    acme = organization()
    return signed_in(acme), mailbox_of(agent(acme, handle))


def thread_page(client: Client, row: Message, query: str = "") -> str:
    response = client.get(reverse("console:thread", args=["alpha", row.thread_id]) + query)
    assert response.status_code == 200
    return text(response)


def test_threads_are_listed_by_folder_with_their_marks() -> None:
    client, mailbox = box()
    receive(mailbox, subject="Read one").thread.messages.update(is_read=True)
    receive(mailbox, subject="Unread one", attachments=(("a.pdf", "application/pdf", b"x"),))
    blocked = receive(mailbox, subject="Blocked one")
    Thread.objects.filter(pk=blocked.thread_id).update(folder=Folder.BLOCKED.value)

    inbox = text(client.get(reverse("console:mail", args=["alpha"])))
    other = text(client.get(reverse("console:mail", args=["alpha"]), {"folder": "blocked"}))

    assert inbox.index("Unread one") < inbox.index("Read one")
    assert inbox.count('class="unread"') == 1
    assert inbox.count("with files") == 1
    assert "Ada L." in inbox
    assert "Blocked one" not in inbox
    assert "Blocked one" in other
    assert "Read one" not in other


def test_what_the_agent_wrote_shows_whom_it_wrote_to() -> None:
    client, mailbox = box()
    queue(mailbox, "ada@customer.example")

    assert "To ada@customer.example" in text(client.get(reverse("console:mail", args=["alpha"])))


def test_strange_subjects_and_names_are_text() -> None:
    client, mailbox = box()
    row = receive(mailbox, subject=HOSTILE, sender=f'"{HOSTILE}" <a@b.example>', text=HOSTILE)

    pages = [text(client.get(reverse("console:mail", args=["alpha"]))), thread_page(client, row)]

    assert all(HOSTILE not in page for page in pages)
    assert all("&lt;script&gt;alert(1)&lt;/script&gt;" in page for page in pages)


def test_pages_of_a_folder_are_complete_and_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "THREADS_PER_PAGE", 2)
    client, mailbox = box()
    for number in range(5):
        receive(mailbox, subject=f"Subject {number}")
    path, seen = reverse("console:mail", args=["alpha"]), []

    query = "?folder=inbox"
    for _ in range(3):
        page = text(client.get(path + query))
        seen += re.findall(r">(?:<span[^>]*>Unread: </span>)?(Subject \d)</a>", page)
        found = re.search(r'rel="next" href="([^"]*)"', page)
        query = found[1].replace("&amp;", "&") if found else ""

    assert seen == [f"Subject {number}" for number in (4, 3, 2, 1, 0)]
    assert query == ""


def test_a_cursor_of_somebody_else_is_refused() -> None:
    client, _ = box()

    assert client.get(reverse("console:mail", args=["alpha"]), {"cursor": "rubbish"}).status_code == 422


def test_a_folder_costs_the_same_whatever_is_in_it() -> None:
    client, mailbox = box()
    receive(mailbox)
    path = reverse("console:mail", args=["alpha"])
    client.get(path)

    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
        for number in range(8):
            receive(mailbox, subject=f"More {number}")

    assert counts[0] == counts[1] <= 11


def test_a_thread_costs_the_same_whatever_is_in_it() -> None:
    client, mailbox = box()
    first = receive(mailbox, message_id="<first@customer.example>")
    path = reverse("console:thread", args=["alpha", first.thread_id])
    queue(mailbox, "ada@customer.example", in_reply_to_message_id=str(first.pk))
    client.get(path)

    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
        for _ in range(5):
            receive(mailbox, in_reply_to="<first@customer.example>", html="<p>Hi</p>")
            queue(mailbox, "ada@customer.example", in_reply_to_message_id=str(first.pk))

    assert counts[0] == counts[1] <= 11


def test_messages_are_found() -> None:
    client, mailbox = box()
    row = receive(mailbox, subject="Invoice 4711", text="The amount is wrong.")
    receive(mailbox, subject="Holiday", text="Sunny.")

    page = text(client.get(reverse("console:mail", args=["alpha"]), {"q": "amount"}))

    assert "Invoice 4711" in page
    assert "Holiday" not in page
    assert f"?open={row.pk}#m-{row.pk}" in page


def test_a_search_that_means_nothing_is_explained() -> None:
    client, _ = box()

    response = client.get(reverse("console:mail", args=["alpha"]), {"q": f"after:yesterday {HOSTILE}"})

    assert response.status_code == 422
    assert "Use before: and after: with a date" in text(response)
    assert HOSTILE not in text(response)


def test_an_agent_without_a_mailbox_is_told_how_to_get_one() -> None:
    client, mailbox = box()
    Mailbox.objects.update(identity=None)

    assert "This agent has no mailbox" in text(client.get(reverse("console:mail", args=["alpha"])))
    assert "This agent has no mailbox" in text(client.get(reverse("console:drafts", args=["alpha"])))
    assert client.get(reverse("console:compose", args=["alpha"])).status_code == 404
    assert mailbox.pk is not None


def test_the_reader_opens_what_is_unread_and_the_newest_and_marks_nothing_read() -> None:
    client, mailbox = box()
    rows = [receive(mailbox, message_id="<a@x.example>", text="One")]
    rows += [receive(mailbox, in_reply_to="<a@x.example>", text=word) for word in ("Two", "Three", "Four")]
    Message.objects.filter(pk__in=[rows[0].pk, rows[2].pk, rows[3].pk]).update(is_read=True)

    page = thread_page(client, rows[0])

    assert re.findall(r'id="m-([0-9a-f-]+)"( open)?', page) == [
        (str(rows[0].pk), ""),
        (str(rows[1].pk), " open"),
        (str(rows[2].pk), ""),
        (str(rows[3].pk), " open"),
    ]
    assert list(Message.objects.order_by("created_at").values_list("is_read", flat=True)) == [True, False, True, True]


def test_long_threads_are_read_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGES_PER_PAGE", 2)
    client, mailbox = box()
    first = receive(mailbox, message_id="<a@x.example>", text="Text 0")
    for number in (1, 2, 3, 4):
        receive(mailbox, in_reply_to="<a@x.example>", text=f"Text {number}")

    pages = [thread_page(client, first)]
    while found := re.search(r'href="(\?cursor=[^"]*)"', pages[-1]):
        pages.append(thread_page(client, first, found[1]))

    assert [re.findall(r'<div class="mail-text" tabindex="0">(Text \d)', page) for page in pages] == [
        ["Text 3", "Text 4"],
        ["Text 1", "Text 2"],
        ["Text 0"],
    ]
    assert "Newest messages" in pages[-1]


def test_the_reader_says_where_mail_came_from_and_why_it_is_spam() -> None:
    client, mailbox = box()
    row = receive(mailbox)
    verdict: dict[str, Any] = {
        "spf": "pass",
        "spf_domain": "customer.example",
        "dkim": "fail",
        "dmarc": "fail",
        "arc": "none",
    }
    signatures = [{"result": "fail", "domain": "customer.example", "reason": "body hash"}]
    verdict |= {"policy": "none", "aligned_from": None, "aligned_by": None, "signatures": signatures}
    spam = {"scorer": "heuristic", "score": 7.5, "threshold": 5, "is_spam": True, "reasons": [f"Shouts {HOSTILE}"]}
    MessageContent.objects.filter(pk=row.pk).update(authentication=verdict, spam=spam)

    page = thread_page(client, row)

    assert "origin not proven" in page
    assert "SPF pass (customer.example), DKIM fail, DMARC fail (policy none), ARC none" in page
    assert "customer.example: fail, body hash" in page
    assert "Judged as spam: 7.5 of 5 points." in page
    assert HOSTILE not in page


def test_the_reader_says_what_became_of_mail_to_each_recipient() -> None:
    client, mailbox = box()
    row = queue(mailbox, "ada@customer.example", cc=["bob@customer.example"], bcc=["carl@customer.example"])
    send(row)
    OutboundRecipient.objects.filter(address="bob@customer.example").update(state="bounced", detail=f"550 {HOSTILE}")

    page = thread_page(client, row)

    assert re.findall(r'<span class="wrap">(\w+)@', page) == ["ada", "bob", "carl"]
    assert re.findall(r'<span class="badge[a-z ]*">(sent|bounced|pending)</span></li>', page) == [
        "sent",
        "bounced",
        "sent",
    ]
    assert HOSTILE not in page
    assert "<dt>Bcc</dt><dd>carl@customer.example</dd>" in page


def test_html_stands_in_a_frame_that_can_do_nothing() -> None:
    client, mailbox = box()
    row = receive(mailbox, html="<p>Secret <b>words</b></p><script>alert(1)</script><img src='https://x.example/p'>")

    page = thread_page(client, row)
    asked = thread_page(client, row, f"?images={row.pk}")

    frame = re.search(r"<iframe [^>]*>", page)
    assert frame is not None
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    assert "allow-scripts" not in page
    assert "allow-same-origin" not in page
    assert "x.example" not in page
    assert "Secret <b>" not in page
    assert "Images of other servers are not loaded" in page
    assert f"{row.pk}/html?images=1" not in page
    assert f"{row.pk}/html?images=1" in asked


def test_mail_without_a_text_part_has_a_plain_text_all_the_same() -> None:
    client, mailbox = box()
    raw = b"From: a@b.example\r\nTo: alpha@mail.localhost\r\nContent-Type: text/html\r\n\r\n<p>Only <b>HTML</b></p>"
    row = receive(mailbox, raw)

    assert '<div class="mail-text" tabindex="0">Only HTML</div>' in thread_page(client, row)


def test_a_mailing_to_thousands_names_some_of_them() -> None:
    client, mailbox = box()
    row = receive(mailbox)
    Message.objects.update(to_addresses=[f"a{number}@b.example" for number in range(3000)])

    assert "a49@b.example and 2950 more" in thread_page(client, row)


def test_very_long_texts_are_cut() -> None:
    client, mailbox = box()
    row = receive(mailbox, text="line of text\n" * 20_000)

    page = thread_page(client, row)

    assert page.count("line of text") <= limits.READER_TEXT_CHARS // 13 + 20
    assert "Download the whole message" in page


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        ("inbox", "archive", "archive"),
        ("inbox", "spam", "spam"),
        ("spam", "inbox", "inbox"),
        ("blocked", "inbox", "inbox"),
        ("inbox", "blocked", "inbox"),
        ("inbox", "rubbish", "inbox"),
    ],
)
def test_threads_are_moved(before: str, action: str, after: str) -> None:
    client, mailbox = box()
    row = receive(mailbox)
    Thread.objects.update(folder=before)

    response = client.post(reverse("console:change_thread", args=["alpha", row.thread_id]), {"action": action})

    assert response.headers["Location"] == reverse("console:thread", args=["alpha", row.thread_id])
    assert Thread.objects.get().folder == after


def test_a_thread_is_deleted() -> None:
    client, mailbox = box()
    row = receive(mailbox)

    response = client.post(reverse("console:change_thread", args=["alpha", row.thread_id]), {"action": "delete"})

    assert response.headers["Location"] == reverse("console:mail", args=["alpha"]) + "?folder=inbox"
    assert Thread.objects.get().deleted_at is not None
    assert client.get(reverse("console:thread", args=["alpha", row.thread_id])).status_code == 404


def test_a_paused_exchange_goes_on() -> None:
    client, mailbox = box()
    row = receive(mailbox)
    Thread.objects.update(paused_until=now() + timedelta(hours=1), paused_reason="Too many messages.")

    assert "Too many messages." in thread_page(client, row)
    client.post(reverse("console:change_thread", args=["alpha", row.thread_id]), {"action": "resume"})

    assert Thread.objects.get().paused_until is None


@pytest.mark.parametrize(
    ("action", "expected"),
    [("read", (True, False)), ("unread", (False, False)), ("star", (False, True)), ("unstar", (False, False))],
)
def test_messages_are_flagged(action: str, expected: tuple[bool, bool]) -> None:
    client, mailbox = box()
    row = receive(mailbox)

    response = client.post(reverse("console:change_message", args=["alpha", row.pk]), {"action": action})

    assert response.headers["Location"].endswith(f"?open={row.pk}#m-{row.pk}")
    assert Message.objects.values_list("is_read", "is_starred").get() == expected


def test_the_last_message_takes_its_thread_along() -> None:
    client, mailbox = box()
    first = receive(mailbox, message_id="<a@x.example>")
    second = receive(mailbox, in_reply_to="<a@x.example>")

    kept = client.post(reverse("console:change_message", args=["alpha", first.pk]), {"action": "delete"})
    gone = client.post(reverse("console:change_message", args=["alpha", second.pk]), {"action": "delete"})

    assert kept.headers["Location"] == reverse("console:thread", args=["alpha", first.thread_id])
    assert gone.headers["Location"] == reverse("console:mail", args=["alpha"])
    assert not Message.objects.alive().exists()


@pytest.mark.parametrize("action", ["delete", "archive", "read", "star"])
def test_members_and_strangers_change_nothing(action: str) -> None:
    acme = organization()
    mailbox = mailbox_of(agent(acme, "alpha"))
    row = receive(mailbox)
    before = (Message.objects.values().get(), Thread.objects.values().get())

    for client, status in ((signed_in(acme, Role.MEMBER), 403), (signed_in(organization()), 404)):
        for name, pk in (("change_thread", row.thread_id), ("change_message", row.pk)):
            assert client.post(reverse(f"console:{name}", args=["alpha", pk]), {"action": action}).status_code == status

    assert (Message.objects.values().get(), Thread.objects.values().get()) == before


def test_members_see_no_buttons_that_they_may_not_press() -> None:
    acme = organization()
    row = receive(mailbox_of(agent(acme, "alpha")))
    client = signed_in(acme, Role.MEMBER)

    page = thread_page(client, row)

    assert "console/agents/alpha/mail/compose" not in page
    assert 'name="action"' not in page


def test_rows_of_a_sibling_are_not_found_under_the_name_of_another_agent() -> None:
    acme = organization()
    client = signed_in(acme)
    agent(acme, "alpha")
    row = receive(mailbox_of(agent(acme, "bravo")))

    assert client.get(reverse("console:thread", args=["alpha", row.thread_id])).status_code == 404
    assert client.get(reverse("console:message_html", args=["alpha", row.pk])).status_code == 404
    assert (
        client.post(reverse("console:change_message", args=["alpha", row.pk]), {"action": "delete"}).status_code == 404
    )


def test_the_activity_of_the_overview_leads_to_the_thread() -> None:
    client, mailbox = box()
    kept, gone = receive(mailbox), receive(mailbox)
    client.post(reverse("console:change_thread", args=["alpha", gone.thread_id]), {"action": "delete"})

    page = text(client.get(reverse("console:overview")))

    assert reverse("console:thread", args=["alpha", kept.thread_id]) in page
    assert str(gone.thread_id) not in page
