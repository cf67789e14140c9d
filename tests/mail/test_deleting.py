"""Deleting messages, and the purge after the retention."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings

from common import blobs
from common.clock import now
from mail import limits
from mail.errors import MessageNotFound
from mail.models import Mailbox, Message, MessageContent, OutboundJob, OutboundRecipient, SandboxMail, Thread
from mail.services.deleting import delete_message, purge_deleted_mail
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, queue, raw_mail, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

LARGE = "x" * 70 + "\r\n"


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent())


def large_mail(box: Mailbox) -> bytes:
    return raw_mail(box.email_address, text=LARGE * (limits.INLINE_RAW_BYTES // len(LARGE) + 1))


def blob_of(message: Message) -> Path:
    key = MessageContent.objects.get(message=message).raw_key
    assert key is not None
    return settings.BLOB_DIR / key[:2] / key


def make_old(path: Path) -> None:
    moment = (now() - timedelta(days=2)).timestamp()
    os.utime(path, (moment, moment))


def test_a_deleted_message_is_uncounted_at_once(box: Mailbox) -> None:
    parent = receive(box, message_id="<p@x.example>")
    reply = receive(box, in_reply_to="<p@x.example>")

    delete_message(parent)

    box.refresh_from_db()
    parent.refresh_from_db()
    thread = Thread.objects.get(pk=parent.thread_id)
    assert box.storage_used_bytes == reply.size_bytes
    assert parent.deleted_at is not None
    assert (thread.message_count, thread.deleted_at) == (1, None)


def test_the_last_message_takes_its_thread_along(box: Mailbox) -> None:
    message = receive(box)

    delete_message(message)

    thread = Thread.objects.get(pk=message.thread_id)
    assert thread.message_count == 0
    assert thread.deleted_at is not None


def test_deleting_twice_counts_once(box: Mailbox) -> None:
    message = receive(box)
    delete_message(message)
    before = all_rows()

    with pytest.raises(MessageNotFound):
        delete_message(message)

    assert all_rows() == before


def test_a_queued_message_is_still_sent_after_its_deletion(box: Mailbox) -> None:
    message = queue(box, "ada@customer.example")

    delete_message(message)

    assert OutboundJob.objects.get().is_open is True


def test_a_reply_after_the_deletion_of_the_thread_starts_a_new_one(box: Mailbox) -> None:
    parent = receive(box, message_id="<p@x.example>")
    delete_message(parent)

    reply = receive(box, in_reply_to="<p@x.example>")

    assert reply.thread_id != parent.thread_id
    assert Thread.objects.get(pk=parent.thread_id).message_count == 0


def test_the_purge_waits_for_the_retention(box: Mailbox) -> None:
    message = receive(box)
    moment = now()
    with time_machine.travel(moment, tick=False):
        delete_message(message)

    with time_machine.travel(moment + limits.DELETED_RETENTION, tick=False):
        assert purge_deleted_mail() == 0
    assert Message.objects.filter(pk=message.pk).exists()

    with time_machine.travel(moment + limits.DELETED_RETENTION + timedelta(seconds=1), tick=False):
        assert purge_deleted_mail() == 1

    assert not Message.objects.filter(pk=message.pk).exists()
    assert not MessageContent.objects.filter(pk=message.pk).exists()
    assert not Thread.objects.filter(pk=message.thread_id).exists()


def test_the_purge_leaves_what_lives(box: Mailbox) -> None:
    parent = receive(box, message_id="<p@x.example>")
    reply = receive(box, in_reply_to="<p@x.example>")
    sent = queue(box, "ada@customer.example")
    delete_message(parent)
    Message.objects.filter(pk=parent.pk).update(deleted_at=now() - limits.DELETED_RETENTION - timedelta(days=1))

    purge_deleted_mail()

    assert set(Message.objects.values_list("pk", flat=True)) == {reply.pk, sent.pk}
    assert Thread.objects.get(pk=reply.thread_id).message_count == 1
    assert OutboundRecipient.objects.count() == 1


def test_blobs_go_after_their_last_row(box: Mailbox) -> None:
    message = receive(box, large_mail(box))
    path = blob_of(message)
    make_old(path)

    purge_deleted_mail()
    assert path.exists()

    delete_message(message)
    purge_deleted_mail()
    assert path.exists()

    Message.objects.filter(pk=message.pk).update(deleted_at=now() - limits.DELETED_RETENTION - timedelta(days=1))
    purge_deleted_mail()
    assert not path.exists()


def test_a_blob_that_two_mailboxes_share_stays_for_the_other(box: Mailbox) -> None:
    raw = large_mail(box)
    one, two = receive(box, raw), receive(mailbox_of(agent()), raw)
    path = blob_of(one)
    assert path == blob_of(two)
    make_old(path)
    delete_message(one)
    Message.objects.filter(pk=one.pk).update(deleted_at=now() - limits.DELETED_RETENTION - timedelta(days=1))

    purge_deleted_mail()

    assert path.exists()


def test_a_blob_of_the_sandbox_stays(box: Mailbox) -> None:
    key = blobs.store().put(b"sandboxed " * 20_000)
    SandboxMail.objects.create(organization_id=box.organization_id, envelope_from="a@x.example", raw_key=key)
    path = settings.BLOB_DIR / key[:2] / key
    make_old(path)

    purge_deleted_mail()

    assert path.exists()


def test_a_young_blob_may_still_be_waiting_for_its_row() -> None:
    key = blobs.store().put(b"young " * 30_000)

    purge_deleted_mail()

    assert (settings.BLOB_DIR / key[:2] / key).exists()
