"""Forwarding over REST (contract mail.md 4.6)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import time_machine

from mail import limits
from mail.mime.parse import extract_attachments, parse_mail
from mail.models import Mailbox, Message, MessageContent, OutboundRecipient, Thread
from mail.raw import load_raw
from tests.factories.identities import Answer, ApiClient, agent, agent_client, organization
from tests.factories.mail import mailbox_of, queue, raw_mail, receive, send
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

TO = {"recipients": {"to": ["partner@vendor.example"]}}
REPLAY = {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}
NOTE = {"filename": "note.txt", "content_type": "text/plain", "content_base64": "aGk="}
PREAMBLE = """---------- Forwarded message ----------
From: Ada L. <ada@customer.example>
Date: Mon, 04 May 2026 10:01:12 +0000
Subject: Invoice 4417
To: billing-bot@mail.localhost
"""
EXTRA = "additional_attachments"
LOGO = b"\x89PNG logo"
SIGNED_MAIL = (
    b"From: ada@customer.example\nTo: billing-bot@mail.localhost\nSubject: Signed\nMessage-ID: <s@x.example>\n"
    b'Content-Type: multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary="b"\n\n'
    b"--b\nContent-Type: text/plain\n\nSigned  text \n--b\nContent-Type: application/pgp-signature\n\nsig\n--b--\n"
)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot", display_name="Billing Bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def forward(client: ApiClient, box: Mailbox, source: object, headers: Any = None, **body: Any) -> Answer:
    path = f"/mail/mailboxes/{box.email_address}/messages/{source}/forward"
    return client.post(path, {**TO, **body}, **(headers or {}))


def at_ten() -> Any:
    return time_machine.travel("2026-05-04T10:01:12Z", tick=False)


def content_of(answer: Answer) -> MessageContent:
    assert answer.status_code == 201, answer.content
    return MessageContent.objects.get(message_id=answer.json()["id"])


def files_of(answer: Answer) -> list[tuple[str, str, bytes, str | None]]:
    found = extract_attachments(load_raw(content_of(answer)))
    return [(f.part.filename, f.part.content_type, f.content, f.part.content_id) for f in found]


def with_logo(*, html: str = '<p>Hi.</p><img src="cid:logo">', disposition: str = "inline") -> bytes:
    """A message with an image that its HTML shows, and a file."""
    logo = base64.b64encode(LOGO).decode()
    return (
        "From: ada@customer.example\nTo: billing-bot@mail.localhost\nSubject: Logo\nMessage-ID: <l@x.example>\n"
        'Content-Type: multipart/mixed; boundary="m"\n\n--m\nContent-Type: multipart/related; boundary="r"\n\n'
        f"--r\nContent-Type: text/html\n\n{html}\n--r\nContent-Type: image/png; name=logo.png\nContent-ID: <logo>\n"
        f"Content-Disposition: {disposition}; filename=logo.png\nContent-Transfer-Encoding: base64\n\n{logo}\n--r--\n"
        "--m\nContent-Type: text/csv; charset=iso-8859-1\nContent-Disposition: attachment; filename=a.csv\n"
        "Content-Transfer-Encoding: base64\n\nZvxyCg==\n--m--\n"
    ).encode()


# --- inline


def test_text_is_quoted_below_the_note(box: Mailbox, client: ApiClient) -> None:
    with at_ten():
        source = receive(box)

    answer = forward(client, box, source.pk, body_text="FYI", reply_to="accounts@example.org")

    content, row = content_of(answer), answer.json()
    assert content.body_text == f"FYI\n\n{PREAMBLE}\nHi, the total looks off by 20.\n"
    assert content.body_html is None
    assert (row["subject"], row["to_addresses"], row["snippet"][:4]) == (
        "Fwd: Invoice 4417",
        ["partner@vendor.example"],
        "FYI ",
    )
    parsed = parse_mail(load_raw(content))
    assert (parsed.in_reply_to, parsed.references, parsed.reply_to) == (None, (), ("accounts@example.org",))
    assert row["thread_id"] != str(source.thread_id)
    assert list(Thread.objects.order_by("pk").values_list("subject", "message_count")) == [
        ("Invoice 4417", 1),
        ("Fwd: Invoice 4417", 1),
    ]


def test_html_is_quoted_without_what_runs(box: Mailbox, client: ApiClient) -> None:
    with at_ten():
        source = receive(box, html="<html><body onload=x><script>x</script><p>The <b>total</b></p></body></html>")

    content = content_of(forward(client, box, source.pk, body_text="FYI & <co>"))

    assert content.body_text == f"FYI & <co>\n\n{PREAMBLE}\nHi, the total looks off by 20.\n"
    assert content.body_html == (
        "<div>FYI &amp; &lt;co&gt;</div><br>\n<div>---------- Forwarded message ----------"
        "<br>\n<b>From:</b> Ada L. &lt;ada@customer.example&gt;<br>\n<b>Date:</b> Mon, 04 May 2026 10:01:12 +0000"
        "<br>\n<b>Subject:</b> Invoice 4417<br>\n<b>To:</b> billing-bot@mail.localhost</div><br>\n"
        '<div><p>The <span style="font-weight:bold">total</span></p></div>'
    )


def test_a_note_in_html_stays_above_a_text(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, text="a < b\n")

    content = content_of(forward(client, box, source.pk, body_html="<html><body><i>FYI</i></body></html>"))

    assert content.body_html is not None
    assert content.body_html.startswith("<html><body><i>FYI</i><br>\n<div>---------- Forwarded")
    assert content.body_html.endswith("<div>a &lt; b<br>\n</div></div></body></html>")
    assert (content.body_text or "").startswith("FYI\n\n---------- Forwarded")


def test_the_signature_stands_above_the_quote(box: Mailbox, client: ApiClient) -> None:
    Mailbox.objects.filter(pk=box.pk).update(signature_enabled=True, signature_text="Bot", signature_html="<i>Bot</i>")
    source = receive(box, html="<p>Hi.</p>")

    noted = content_of(forward(client, box, source.pk, body_text="FYI"))
    bare = content_of(forward(client, box, source.pk))

    assert (noted.body_text or "").startswith("FYI\n\nBot\n\n---------- Forwarded")
    assert (noted.body_html or "").startswith("<div>FYI</div><div><i>Bot</i></div><br>\n<div>---------- Forwarded")
    assert (bare.body_text or "").startswith("Bot\n\n---------- Forwarded")
    assert (bare.body_html or "").startswith("<i>Bot</i><br>\n<div>---------- Forwarded")


def test_shown_images_stay_in_place_and_files_come_along(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, with_logo())

    everything = forward(client, box, source.pk, additional_attachments=[NOTE])
    shown_only = forward(client, box, source.pk, include_original_attachments=False)

    logo, csv = ("logo.png", "image/png", LOGO, "logo"), ("a.csv", "text/csv", b"f\xfcr\n", None)
    assert files_of(everything) == [logo, csv, ("note.txt", "text/plain", b"hi", None)]
    assert b"charset=iso-8859-1" in load_raw(content_of(everything))
    assert files_of(shown_only) == [logo]
    assert (everything.json()["has_attachments"], shown_only.json()["has_attachments"]) == (True, False)


def test_an_image_that_is_not_shown_is_a_file(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, with_logo(html="<p>Hi.</p>"))

    assert files_of(forward(client, box, source.pk))[0] == ("logo.png", "image/png", LOGO, None)
    assert files_of(forward(client, box, source.pk, include_original_attachments=False)) == []


def test_markup_past_all_bounds_is_quoted_as_text(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, html="<b>" * 20_000 + "Hello")

    content = content_of(forward(client, box, source.pk))

    assert (content.body_html or "").endswith("Hi, the total looks off by 20.<br>\n</div></div>")


@pytest.mark.parametrize(("subject", "sent"), [("FW: a", "FW: a"), ("fwd: a", "fwd: a"), ("Re: a", "Fwd: Re: a")])
def test_the_default_subject(box: Mailbox, client: ApiClient, subject: str, sent: str) -> None:
    source = receive(box, subject=subject)

    assert forward(client, box, source.pk).json()["subject"] == sent
    assert forward(client, box, source.pk, subject="Mine").json()["subject"] == "Mine"


def test_blind_copies_alone_are_enough(box: Mailbox, client: ApiClient) -> None:
    source = receive(box)

    row = forward(client, box, source.pk, recipients={"bcc": ["a@x.example"]}).json()

    assert (row["to_addresses"], row["cc_addresses"]) == ([], None)
    raw = load_raw(MessageContent.objects.get(message_id=row["id"]))
    assert b"a@x.example" not in raw
    assert OutboundRecipient.objects.get().kind == "bcc"


# --- wrapped


@pytest.mark.parametrize("raw", [SIGNED_MAIL, with_logo(), b"Subject: \xff\x00\n\n" + b"x" * 2000])
def test_a_wrapped_original_is_untouched(box: Mailbox, client: ApiClient, raw: bytes) -> None:
    Mailbox.objects.filter(pk=box.pk).update(signature_enabled=True, signature_text="Bot")
    source = receive(box, raw)

    answer = forward(client, box, source.pk, mode="wrapped", body_text="FYI", additional_attachments=[NOTE])

    content = content_of(answer)
    assert (content.body_text, content.body_html) == ("FYI\n\n-- \nBot\n", None)
    (name, content_type, inner, _), (extra, *_) = files_of(answer)
    assert (content_type, extra) == ("message/rfc822", "note.txt")
    assert name.endswith(".eml")
    assert inner.replace(b"\r\n", b"\n").rstrip(b"\n") == raw.replace(b"\r\n", b"\n").rstrip(b"\n")


def test_what_was_sent_is_forwarded_without_its_tracking(box: Mailbox, client: ApiClient) -> None:
    source = queue(box, "ada@x.example", subject="Hello", body_html="<p>Hi.</p>", track_opens=True)
    send(source)

    wrapped = forward(client, box, source.pk, mode="wrapped")
    inline = forward(client, box, source.pk)

    assert files_of(wrapped)[0][2].rstrip() == load_raw(MessageContent.objects.get(message=source)).rstrip()
    for answer in (wrapped, inline):
        assert b"/i/" not in load_raw(content_of(answer))
        assert answer.json()["subject"] == "Fwd: Hello"


# --- tracking


@pytest.mark.parametrize(
    ("html", "body", "status"),
    [
        (None, {}, 422),
        (None, {"body_html": "<p>FYI</p>"}, 201),
        ("<p>Hi.</p>", {}, 201),
        ("<p>Hi.</p>", {"mode": "wrapped"}, 422),
        ("<p>Hi.</p>", {"mode": "wrapped", "body_html": "<p>FYI</p>"}, 201),
    ],
)
def test_tracking_needs_html_somewhere(
    box: Mailbox, client: ApiClient, html: str | None, body: dict[str, Any], status: int
) -> None:
    source = receive(box, html=html)
    rows = all_rows()

    answer = forward(client, box, source.pk, track_opens=True, **body)

    assert answer.status_code == status
    if status == 422:
        assert answer.json()["detail"][0]["loc"] == ["body", "track_opens"]
        assert all_rows() == rows
    else:
        assert Message.objects.get(pk=answer.json()["id"]).tracks_opens


# --- what follows


def test_it_fires_message_forwarded_and_opens_a_thread_there_too() -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme, "alpha")), mailbox_of(agent(acme, "bravo"))
    first = queue(alpha, bravo.email_address, subject="Hello")
    send(first)
    received = Message.objects.get(mailbox=bravo)
    assert bravo.identity is not None
    body = {"recipients": {"to": [alpha.email_address]}}
    row = agent_client(bravo.identity).post(f"/mail/mailboxes/{bravo.pk}/messages/{received.pk}/forward", body).json()

    send(Message.objects.get(pk=row["id"]))

    arrived = Message.objects.get(mailbox=alpha, direction="inbound")
    assert (arrived.subject, arrived.thread_id == first.thread_id) == ("Fwd: Hello", False)
    types = list(Event.objects.filter(identity_id=bravo.identity_id).values_list("event_type", flat=True))
    assert sorted(types) == ["message.delivered", "message.forwarded", "message.received"]


def test_a_repeat_gets_the_first_answer(box: Mailbox, client: ApiClient) -> None:
    source = receive(box)
    first = forward(client, box, source.pk, REPLAY)
    rows = all_rows()

    again = forward(client, box, source.pk, REPLAY)
    changed = forward(client, box, source.pk, REPLAY, mode="wrapped")

    assert (again.status_code, again.content) == (201, first.content)
    assert (changed.status_code, changed.json()["detail"]["error"]) == (409, "idempotency_key_reused")
    assert all_rows() == rows


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"recipients": {}}, ["body", "recipients"]),
        ({"recipients": None}, ["body", "recipients"]),
        ({"recipients": {"cc": ["nobody"]}}, ["body", "recipients", "cc", 0]),
        ({"mode": "sideways"}, ["body", "mode"]),
        ({"include_original_attachments": "yes"}, ["body", "include_original_attachments"]),
        ({"subject": "a\r\nBcc: x@x.example"}, ["body", "subject"]),
        ({EXTRA: [{**NOTE, "content_id": "c"}]}, ["body", EXTRA, 0, "content_id"]),
        ({EXTRA: [{**NOTE, "filename": "x.bat"}]}, ["body", EXTRA, 0, "filename"]),
    ],
)
def test_what_is_refused(box: Mailbox, client: ApiClient, body: dict[str, Any], loc: list[Any]) -> None:
    source = receive(box)
    rows = all_rows()

    answer = forward(client, box, source.pk, REPLAY, **body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc
    assert all_rows() == rows


def test_a_blocked_file_of_the_original_is_not_sent_on(box: Mailbox, client: ApiClient) -> None:
    source = receive(box, attachments=(("run.exe", "application/octet-stream", b"MZ"),))
    rows = all_rows()

    refused = forward(client, box, source.pk)

    assert refused.json()["detail"][0]["loc"] == ["body", "include_original_attachments"]
    assert all_rows() == rows
    assert files_of(forward(client, box, source.pk, include_original_attachments=False)) == []
    assert len(files_of(forward(client, box, source.pk, mode="wrapped"))) == 1


@pytest.mark.parametrize("mode", ["inline", "wrapped"])
def test_original_and_additions_are_bounded_together(
    box: Mailbox, client: ApiClient, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(limits, "ATTACHMENTS_TOTAL_BYTES", 6000)
    source = receive(box, attachments=(("a.bin", "application/octet-stream", b"x" * 3000),))
    extra = {**NOTE, "content_base64": base64.b64encode(b"y" * 4000).decode()}
    rows = all_rows()

    refused = forward(client, box, source.pk, mode=mode, additional_attachments=[extra])

    assert refused.json()["detail"][0]["loc"] == ["body", "additional_attachments"]
    assert all_rows() == rows
    assert forward(client, box, source.pk, mode=mode).status_code == 201


def test_a_large_original_is_refused_before_it_is_built(
    box: Mailbox, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = receive(box, attachments=(("a.bin", "application/octet-stream", b"x" * 3000),) * 3)
    monkeypatch.setattr(limits, "ATTACHMENTS_TOTAL_BYTES", 6000)
    rows = all_rows()

    refused = forward(client, box, source.pk)

    assert refused.json()["detail"][0]["loc"] == ["body", "include_original_attachments"]
    assert all_rows() == rows


def test_an_original_in_the_blob_store(box: Mailbox, client: ApiClient) -> None:
    big = b"x" * (limits.INLINE_RAW_BYTES * 2)
    source = receive(box, raw_mail(box.email_address, attachments=(("a.bin", "application/octet-stream", big),)))
    assert MessageContent.objects.get(message=source).raw_key

    assert files_of(forward(client, box, source.pk))[0][2] == big
