"""Input made to deceive or to break out: addresses, header fields, references, recipient lists."""
# ruff: noqa: RUF001  (look-alike letters are what is tested)

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import Invalid
from mail.enums import RecipientKind
from mail.mime.addresses import normalize_address, parse_address_list
from mail.mime.build import OutgoingMail, build_mail
from mail.mime.message_ids import MAX_REFERENCES
from mail.mime.parse import parse_mail
from mail.models import Message, Thread
from mail.services.composing import Recipients, parse_recipients
from mail.services.receiving import accept_batch
from mail.threading import (
    MAX_CANDIDATE_PARENTS,
    candidate_parents,
    forward_subject,
    reply_references,
    reply_subject,
)
from tests.factories.identities import agent, agent_client
from tests.factories.mail import inbound, mailbox_of, raw_mail, receive
from webhooks.models import Event

# --- Addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ada@pаypal.example", "ada@xn--pypal-4ve.example"),
        ("ada@аррӏе.com", "ada@xn--80ak6aa92e.com"),
        ("ada@bücher.example", "ada@bücher.example"),
        ("анна@пример.рф", "анна@пример.рф"),
        ("jürgen@kunde.example", "jürgen@kunde.example"),
        ("a\u200bda@x.example", ""),
        ("ada@x\u200b.example", ""),
        ("\u2060ada@x.example", ""),
        ("a" * 400 + "@x.example", ""),
        ("ada@" + "b" * 400 + ".example", ""),
    ],
)
def test_a_sender_cannot_be_taken_for_another(written: str, read: str) -> None:
    assert normalize_address(written) == read
    assert parse_mail(f"From: X <{written}>\r\n\r\nhi\r\n".encode()).from_address == read


def test_a_name_cannot_turn_the_text_around_it() -> None:
    parsed = parse_mail(
        "From: Bank\u202e\u2066 Ltd <a@x.example>\r\nSubject: fdp\u202eexe.\r\n\r\nhi \u202ebody\r\n".encode()
    )

    assert (parsed.from_display_name, parsed.subject) == ("Bank Ltd", "fdpexe.")
    assert parsed.body_text == "hi \u202ebody\n"


def test_a_recipient_with_foreign_letters_must_be_meant() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_recipients(Recipients(to=["ok@x.example", "ada@pаypal.example"]))

    assert refusal.value.loc == ("body", "recipients", "to", 1)
    assert "xn--pypal-4ve.example" in str(refusal.value)
    assert parse_recipients(Recipients(to=["ada@xn--pypal-4ve.example", "b@bücher.example"])) == (
        (RecipientKind.TO, "ada@xn--pypal-4ve.example"),
        (RecipientKind.TO, "b@xn--bcher-kva.example"),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["to", "cc", "bcc"])
def test_a_thousand_recipients_are_refused(kind: str) -> None:
    identity = agent()
    box = mailbox_of(identity)
    many = [f"a{number}@x.example" for number in range(1000)]
    recipients = {"to": ["ada@x.example"], kind: many}

    response = agent_client(identity).post(
        f"/mail/mailboxes/{box.email_address}/messages", {"recipients": recipients, "subject": "Hello"}
    )

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:3] == ["body", "recipients", kind]
    assert not Message.objects.exists()
    assert not Event.objects.exists()


@given(st.text(max_size=200))
@example("a@b.example\r\nBcc: c@d.example")
@example("=?utf-8?q?a=0D=0ABcc:_x?= <a@b.example>")
@example('"' * 200)
@example("(" * 200)
def test_addresses_of_any_header_are_bare(value: str) -> None:
    found, _ = parse_address_list(value)

    for item in found:
        assert normalize_address(item.address) == item.address
        assert not re.search(r"[\x00-\x20\x7f\u202a-\u202e\u2066-\u2069]", item.address.rpartition("@")[2])
        assert "\r" not in item.address
        assert "\n" not in item.address


# --- Header fields --------------------------------------------------------------------------------------------------

MAIL = OutgoingMail(
    message_id="<m1@example.org>",
    date=datetime(2026, 5, 4, 10, 0, tzinfo=UTC),
    from_address="bot@example.org",
    from_display_name=None,
    to=("ada@x.example",),
    cc=(),
    subject="Hello",
    body_text="Hi",
    body_html=None,
)
WRITTEN = {
    "date",
    "from",
    "to",
    "cc",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "reply-to",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
}
BREAKS = ["\r\n", "\n", "\r", "=0D=0A", "\x0b", "\x0c", "\x85", "\u2028", "\x00", "\u202e", " ", "\t"]
HOSTILE_TEXT = st.lists(
    st.one_of(
        st.sampled_from(BREAKS),
        st.sampled_from(
            [
                "Bcc: eve@evil.example",
                "X-Evil: 1",
                "=?utf-8?q?",
                "?=",
                "=?utf-8?b?DQpCY2M6IHg=?=",
                "<",
                ">",
                "a@b.example",
            ]
        ),
        st.text(max_size=10),
    ),
    max_size=12,
).map("".join)


def header_names(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0]
    return [line.partition(b":")[0].decode("ascii").lower() for line in re.split(rb"\r\n(?![ \t])", head)]


@settings(max_examples=300, deadline=None)
@given(subject=HOSTILE_TEXT, name=HOSTILE_TEXT, reference=HOSTILE_TEXT)
def test_an_answer_to_any_message_has_no_field_of_its_sender(subject: str, name: str, reference: str) -> None:
    raw = f"From: {name} <a@x.example>\r\nSubject: {subject}\r\nMessage-ID: {reference}\r\nReferences: {reference}"
    parsed = parse_mail(f"{raw}\r\n\r\n".encode("utf-8", "replace"))
    answer = replace(
        MAIL,
        subject=reply_subject(parsed.subject),
        from_display_name=parsed.from_display_name,
        in_reply_to=parsed.message_id,
        references=reply_references(parsed.references, parsed.message_id),
    )

    written = build_mail(answer)

    names = header_names(written)
    assert set(names) <= WRITTEN
    assert len(names) == len(set(names))
    assert parse_mail(written).subject == (reply_subject(parsed.subject) or None)


@settings(max_examples=300, deadline=None)
@given(
    field=st.sampled_from(["subject", "from_display_name", "reply_to", "in_reply_to", "message_id", "from_address"]),
    value=HOSTILE_TEXT,
)
def test_any_field_is_written_safely_or_refused(field: str, value: str) -> None:
    changed: dict[str, Any] = {field: value}
    try:
        written = build_mail(replace(MAIL, **changed))
    except ValueError:
        return

    names = header_names(written)
    assert set(names) <= WRITTEN
    assert len(names) == len(set(names))
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", written)


# --- References -----------------------------------------------------------------------------------------------------

MESSAGE_ID = st.integers(0, 30).map("<m{}@x.example>".format)
references = st.lists(MESSAGE_ID, max_size=200)


@given(st.one_of(st.none(), MESSAGE_ID), references)
def test_candidates_are_few_and_each_once(in_reply_to: str | None, chain: list[str]) -> None:
    found = candidate_parents(in_reply_to, chain)

    assert len(found) == len(set(found)) <= MAX_CANDIDATE_PARENTS
    assert set(found) <= {*chain, in_reply_to}
    assert not in_reply_to or found[0] == in_reply_to
    assert found == candidate_parents(in_reply_to, chain)


@given(references, MESSAGE_ID)
def test_references_of_an_answer_end_with_its_parent_and_stay_bounded(chain: list[str], parent: str) -> None:
    found = reply_references(chain, parent)

    assert found[-1] == parent
    assert len(found) == len(set(found)) <= MAX_REFERENCES
    assert reply_references(found, parent) == found


@given(st.text(max_size=1200))
def test_subjects_of_answers_are_bounded_and_do_not_grow(subject: str) -> None:
    for make in (reply_subject, forward_subject):
        assert len(make(subject)) <= 998
        assert make(make(subject)) == make(subject)


@pytest.mark.django_db
def test_messages_that_answer_each_other_are_one_thread() -> None:
    box = mailbox_of(agent())
    circle = [
        ("<a@x.example>", "<c@x.example>"),
        ("<b@x.example>", "<a@x.example>"),
        ("<c@x.example>", "<b@x.example>"),
    ]

    for own, parent in circle:
        receive(box, message_id=own, in_reply_to=parent)
    oneself = receive(box, message_id="<d@x.example>", in_reply_to="<d@x.example>")

    assert sorted(Thread.objects.filter(mailbox=box).values_list("message_count", flat=True)) == [1, 3]
    assert oneself.thread.message_count == 1


@pytest.mark.django_db
def test_enormous_references_find_the_newest_message_in_few_queries(django_assert_max_num_queries: Any) -> None:
    box = mailbox_of(agent())
    parent = receive(box, message_id="<last@x.example>")
    chain = "".join(f"\r\n <{'x' * 50}{n}@x.example>" for n in range(10_000))
    raw = raw_mail(box.email_address).replace(
        b"Subject:", f"References:{chain}\r\n <last@x.example>\r\nSubject:".encode(), 1
    )
    mail = inbound(raw, box)

    with django_assert_max_num_queries(21):
        accept_batch([mail])

    stored = Message.objects.filter(mailbox=box).latest("pk")
    assert stored.thread_id == parent.thread_id
    assert len(stored.references or ()) == MAX_REFERENCES


@pytest.mark.django_db
@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(6)), links=st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_threads_of_any_references_are_counted_right(order: list[int], links: list[int]) -> None:
    box = mailbox_of(agent())
    mails = [
        inbound(
            raw_mail(box.email_address, message_id=f"<h{n}@x.example>", in_reply_to=f"<h{links[n]}@x.example>"), box
        )
        for n in order
    ]

    accept_batch(mails[:3])
    accept_batch(mails[3:])

    for thread in Thread.objects.filter(mailbox=box):
        assert thread.message_count == Message.objects.filter(thread=thread).count() >= 1
    assert Message.objects.filter(mailbox=box).count() == 6
