"""The rules of queueing that the REST tests do not reach: locks, races, order."""

from __future__ import annotations

import pytest
from django.db import transaction

from common.clock import now
from mail.errors import MailboxNotFound
from mail.mime.message_ids import MAX_MESSAGE_ID_BYTES
from mail.models import Mailbox, Message, OutboundRecipient, Thread
from mail.services.composing import PreparedMessage, Recipients, SendMessage, prepare_message
from mail.services.deleting import delete_message
from mail.services.queueing import queue_message
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, principal_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent())


def to_ada(**fields: object) -> SendMessage:
    return SendMessage(Recipients(to=["ada@customer.example"]), "Hello", **fields)  # type: ignore[arg-type]


def accept(box: Mailbox, prepared: PreparedMessage) -> Message:
    with transaction.atomic():
        return queue_message(principal_of(box), box, prepared)


def test_preparing_writes_no_rows(box: Mailbox) -> None:
    before = all_rows()

    prepare_message(principal_of(box), box, to_ada(body_text="Hi"))

    assert all_rows() == before


def test_a_mailbox_that_was_deleted_meanwhile_sends_nothing(box: Mailbox) -> None:
    send = to_ada()
    prepared = prepare_message(principal_of(box), box, send)
    Mailbox.objects.filter(pk=box.pk).update(deleted_at=now())
    before = all_rows()

    with pytest.raises(MailboxNotFound):
        accept(box, prepared)

    assert all_rows() == before


def test_a_thread_that_was_deleted_meanwhile_is_not_brought_back_half(box: Mailbox) -> None:
    parent = receive(box)
    send = to_ada(in_reply_to_message_id=str(parent.pk))
    prepared = prepare_message(principal_of(box), box, send)
    delete_message(parent)

    message = accept(box, prepared)

    assert message.thread_id != parent.thread_id
    assert message.in_reply_to == parent.message_id
    old = Thread.objects.get(pk=parent.thread_id)
    assert (old.message_count, old.deleted_at is None) == (0, False)
    assert (message.thread.message_count, message.thread.deleted_at) == (1, None)


def test_messages_are_listed_in_the_order_of_acceptance(box: Mailbox) -> None:
    send = to_ada()
    slow = prepare_message(principal_of(box), box, send)
    arrived = receive(box)

    message = accept(box, slow)

    assert message.created_at > arrived.created_at
    assert message.thread.last_message_at == message.created_at


def test_nobody_gets_two_copies(box: Mailbox) -> None:
    recipients = Recipients(
        to=["ada@customer.example", "ADA@customer.example"],
        cc=["ada@CUSTOMER.example", "ops@customer.example"],
        bcc=["ops@customer.example", "audit@customer.example"],
    )
    send = SendMessage(recipients, "Hello")

    message = accept(box, prepare_message(principal_of(box), box, send))

    assert (message.to_addresses, message.cc_addresses, message.bcc_addresses) == (
        ["ada@customer.example"],
        ["ops@customer.example"],
        ["audit@customer.example"],
    )
    assert OutboundRecipient.objects.count() == 3


def test_the_longest_identifier_that_is_stored_fits_the_index_and_a_header(box: Mailbox) -> None:
    longest = f"<{'x' * (MAX_MESSAGE_ID_BYTES - len('<@x.example>'))}@x.example>"
    parent = receive(box, message_id=longest)
    assert parent.message_id == longest
    send = to_ada(in_reply_to_message_id=longest)

    message = accept(box, prepare_message(principal_of(box), box, send))

    assert (message.thread_id, message.in_reply_to) == (parent.thread_id, longest)


def test_an_identifier_of_an_earlier_copy_answers_the_first(box: Mailbox) -> None:
    first = receive(box, message_id="<same@x.example>", text="one")
    receive(box, message_id="<same@x.example>", text="two")
    send = to_ada(in_reply_to_message_id="<same@x.example>")

    message = accept(box, prepare_message(principal_of(box), box, send))

    assert message.thread_id == first.thread_id
