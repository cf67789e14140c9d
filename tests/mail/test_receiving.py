"""Accepting inbound mail: threading, duplicates, contact rules, counters, events."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common import blobs
from common.clock import now
from identities.enums import FilterMode
from mail.enums import Direction, Folder, MessageStatus
from mail.models import Mailbox, Message, MessageContent, Thread
from mail.services.receiving import Acceptance, accept_batch
from tests.factories.identities import agent, organization
from tests.factories.mail import inbound, mailbox_of, raw_mail, receive
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def test_a_first_message_starts_a_thread_and_fires_an_event() -> None:
    box = mailbox_of(agent(handle="billing-bot"))
    raw = raw_mail("billing-bot@mail.localhost", message_id="<a1@x.example>", text="Hello there.\n")

    outcome = accept_batch([inbound(raw, box)])

    assert outcome == [{box.pk: Acceptance.STORED}]
    message = Message.objects.get(mailbox=box)
    assert message.message_id == "<a1@x.example>"
    assert message.from_address == "ada@customer.example"
    assert message.from_display_name == "Ada L."
    assert message.to_addresses == ["billing-bot@mail.localhost"]
    assert message.cc_addresses is None
    assert message.direction == Direction.INBOUND
    assert message.status == MessageStatus.RECEIVED
    assert message.is_read is False
    assert message.content.body_text == "Hello there.\n"
    assert bytes(message.content.raw_inline or b"") == raw
    thread = Thread.objects.get(mailbox=box)
    assert (thread.subject, thread.folder, thread.message_count) == ("Invoice 4417", "inbox", 1)
    box.refresh_from_db()
    assert box.storage_used_bytes == len(raw)
    event = Event.objects.get()
    assert (event.event_type, event.seq, event.identity_id) == ("message.received", 1, box.identity_id)


def test_a_reply_joins_the_thread_of_its_parent() -> None:
    box = mailbox_of(agent())
    first = receive(box, message_id="<p@x.example>")

    second = receive(box, in_reply_to="<p@x.example>", subject="Re: Invoice 4417")

    assert second.thread_id == first.thread_id
    thread = Thread.objects.get(mailbox=box)
    assert thread.message_count == 2
    assert thread.subject == "Invoice 4417"


def test_a_reply_in_the_same_batch_joins_its_parent() -> None:
    box = mailbox_of(agent())
    mails = [
        inbound(raw_mail("x@mail.localhost", message_id="<p@x.example>"), box),
        inbound(raw_mail("x@mail.localhost", in_reply_to="<p@x.example>"), box),
    ]

    accept_batch(mails)

    assert Thread.objects.get(mailbox=box).message_count == 2
    assert Message.objects.filter(mailbox=box).count() == 2


def test_the_same_subject_alone_does_not_thread() -> None:
    box = mailbox_of(agent())

    assert receive(box).thread_id != receive(box).thread_id


def test_a_repeated_delivery_is_stored_once() -> None:
    box = mailbox_of(agent())
    raw = raw_mail("x@mail.localhost")

    first = accept_batch([inbound(raw, box)])
    again = accept_batch([inbound(b"Received: from another hop\r\n" + raw, box), inbound(raw, box)])

    assert first == [{box.pk: Acceptance.STORED}]
    assert again == [{box.pk: Acceptance.DUPLICATE}, {box.pk: Acceptance.DUPLICATE}]
    assert Message.objects.filter(mailbox=box).count() == 1
    assert Event.objects.count() == 1


def test_two_mailboxes_get_a_row_each() -> None:
    acme = organization()
    one, two = mailbox_of(agent(acme)), mailbox_of(agent(acme))

    outcome = accept_batch([inbound(raw_mail("x@mail.localhost"), one, two)])

    assert outcome == [{one.pk: Acceptance.STORED, two.pk: Acceptance.STORED}]
    assert Message.objects.filter(mailbox__in=[one, two]).count() == 2
    assert Thread.objects.count() == 2


def test_a_mailbox_deleted_meanwhile_is_reported() -> None:
    box, kept = mailbox_of(agent()), mailbox_of(agent())
    Mailbox.objects.filter(pk=box.pk).update(deleted_at=now())

    outcome = accept_batch([inbound(raw_mail("x@mail.localhost"), box, kept)])

    assert outcome == [{box.pk: Acceptance.GONE, kept.pk: Acceptance.STORED}]
    assert not Message.objects.filter(mailbox=box).exists()


def test_a_blocked_sender_goes_to_its_own_blocked_thread_without_an_event() -> None:
    box = mailbox_of(agent(mail_inbound_filter_mode=FilterMode.WHITELIST.value))
    receive(box, message_id="<p@x.example>")

    message = receive(box, in_reply_to="<p@x.example>")

    assert message.is_blocked is True
    assert message.thread.folder == Folder.BLOCKED
    assert Thread.objects.filter(mailbox=box).count() == 2
    assert not Event.objects.exists()


def test_a_reply_brings_an_archived_thread_back_but_not_a_spam_thread() -> None:
    box = mailbox_of(agent())
    archived, spam = receive(box, message_id="<a@x.example>"), receive(box, message_id="<s@x.example>")
    Thread.objects.filter(pk=archived.thread_id).update(folder=Folder.ARCHIVE.value)
    Thread.objects.filter(pk=spam.thread_id).update(folder=Folder.SPAM.value)
    before = Event.objects.count()

    receive(box, in_reply_to="<a@x.example>")
    receive(box, in_reply_to="<s@x.example>")

    assert Thread.objects.get(pk=archived.thread_id).folder == Folder.INBOX
    assert Thread.objects.get(pk=spam.thread_id).folder == Folder.SPAM
    assert Event.objects.count() == before + 1


def test_threads_are_per_mailbox() -> None:
    acme = organization()
    one, two = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    receive(one, message_id="<p@x.example>")

    message = receive(two, in_reply_to="<p@x.example>")

    assert message.thread.message_count == 1


def test_a_large_message_goes_to_the_blob_store() -> None:
    box = mailbox_of(agent())
    raw = raw_mail("x@mail.localhost", attachments=(("a.bin", "application/octet-stream", bytes(200_000)),))

    message = receive(box, raw)

    content = MessageContent.objects.get(message=message)
    assert content.raw_inline is None
    assert blobs.store().get(content.raw_key or "") == raw
    assert message.has_attachments is True
    assert message.attachment_metadata == [
        {
            "filename": "a.bin",
            "content_type": "application/octet-stream",
            "size": 200_000,
            "content_id": None,
            "is_inline": False,
            "part_index": 0,
        }
    ]


def test_the_event_names_the_agents_that_take_part() -> None:
    acme = organization()
    box, peer = mailbox_of(agent(acme, "alpha-one")), agent(acme, "bravo-two")
    agent(organization(), "charlie-three")

    receive(box, cc="Bravo-Two@mail.localhost, charlie-three@mail.localhost")

    data = json.loads(Event.objects.get().body)["data"]
    assert data["contacts"] == []
    assert data["agent_identities"] == [
        {
            "id": str(peer.pk),
            "agent_handle": "bravo-two",
            "display_name": "bravo-two",
            "bucket": "cc",
            "address": "Bravo-Two@mail.localhost",
        }
    ]
    assert data["message"]["body_state"] == "complete"
    assert data["message"]["email_address"] == "alpha-one@mail.localhost"


def test_a_batch_costs_the_same_number_of_queries_as_one_message() -> None:
    box = mailbox_of(agent())
    parent = receive(box)

    def queries(size: int) -> int:
        mails = [inbound(raw_mail("x@mail.localhost", in_reply_to=parent.message_id), box) for _ in range(size)]
        with CaptureQueriesContext(connection) as captured:
            accept_batch(mails)
        return len(captured)

    assert queries(30) == queries(2)
