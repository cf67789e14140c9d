"""What an import makes of an archive."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from mail.imports import limits
from mail.models import ImportJob, Mailbox, Message, Thread
from mail.services.importing import run_import
from mail.services.receiving import Acceptance, accept_batch
from tests.factories.identities import agent
from tests.factories.imports import as_mbox, as_zip, import_archive, old_mail, queued_job
from tests.factories.mail import inbound, mailbox_of, raw_mail, receive
from webhooks.models import Event

pytestmark = pytest.mark.django_db

COUNTERS = (
    "messages_processed",
    "messages_imported",
    "messages_skipped_duplicate",
    "messages_failed",
    "messages_rejected_unsafe",
)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="archive"))


def counters(job: ImportJob) -> tuple[int, ...]:
    return tuple(getattr(job, name) for name in COUNTERS)


def only_message(box: Mailbox) -> Message:
    return Message.objects.select_related("content", "thread").get(mailbox=box)


def test_an_mbox_becomes_messages_with_their_own_dates_and_no_events(box: Mailbox) -> None:
    job = import_archive(box, as_mbox([old_mail(1), old_mail(2)]))

    assert (job.status, job.error_detail, counters(job)) == ("completed", None, (2, 2, 0, 0, 0))
    assert job.started_at is not None
    assert job.finished_at is not None
    rows = list(Message.objects.filter(mailbox=box).order_by("message_id"))
    assert [row.message_id for row in rows] == ["<1@old.example>", "<2@old.example>"]
    assert {row.created_at for row in rows} == {datetime(2015, 1, 5, 10, tzinfo=UTC)}
    assert {row.import_job_id for row in rows} == {job.pk}
    assert {(row.direction, row.status, row.is_read, row.is_starred) for row in rows} == {
        ("inbound", "received", True, False)
    }
    assert rows[0].snippet == "Some text."
    box.refresh_from_db()
    assert box.storage_used_bytes == sum(row.size_bytes for row in rows) > 0
    assert not Event.objects.exists()


def test_the_stored_message_is_the_one_in_the_archive_as_it_travels(box: Mailbox) -> None:
    mail = old_mail(1, text="Hi\n>From you")

    import_archive(box, as_mbox([mail]))

    row = only_message(box)
    assert row.content.raw_inline is not None
    assert bytes(row.content.raw_inline) == old_mail(1, text="Hi\nFrom you").replace(b"\n", b"\r\n")
    assert row.size_bytes == len(row.content.raw_inline)
    assert row.content.body_text == "Hi\nFrom you\n"


def test_original_addresses_make_mail_outbound(box: Mailbox) -> None:
    mine, other = old_mail(1, sender="Me <ME@former.example>"), old_mail(2)

    import_archive(box, as_mbox([mine, other]), original_addresses=("me@former.example",), mark_as_read=False)

    found = Message.objects.filter(mailbox=box).order_by("message_id")
    assert list(found.values_list("direction", "status", "is_read")) == [
        ("outbound", "sent", True),
        ("inbound", "received", False),
    ]


def test_what_the_mailbox_has_is_skipped(box: Mailbox) -> None:
    receive(box, raw_mail(box.email_address, message_id="<1@old.example>"))

    first = import_archive(box, as_mbox([old_mail(1), old_mail(2), old_mail(2)]))
    second = import_archive(box, as_mbox([old_mail(1), old_mail(2)]))

    assert counters(first) == (3, 1, 2, 0, 0)
    assert counters(second) == (2, 0, 2, 0, 0)
    assert Message.objects.filter(mailbox=box).count() == 2


def test_without_message_id_equal_mail_is_stored_once(box: Mailbox) -> None:
    mail = old_mail(1).replace(b"Message-ID: <1@old.example>\n", b"")

    job = import_archive(box, as_mbox([mail, mail]))

    assert counters(job) == (2, 1, 1, 0, 0)
    assert only_message(box).message_id.endswith("@mail.localhost>")


def test_a_delivered_copy_of_imported_mail_is_a_duplicate(box: Mailbox) -> None:
    raw = raw_mail(box.email_address)
    import_archive(box, as_mbox([raw.replace(b"\r\n", b"\n")]))

    assert accept_batch([inbound(raw, box)]) == [{box.pk: Acceptance.DUPLICATE}]


def test_deleted_mail_may_be_imported_again(box: Mailbox) -> None:
    import_archive(box, as_mbox([old_mail(1)]))
    Message.objects.filter(mailbox=box).update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))

    job = import_archive(box, as_mbox([old_mail(1)]))

    assert counters(job) == (1, 1, 0, 0, 0)
    assert Message.objects.alive().filter(mailbox=box).count() == 1


def test_the_same_mail_in_another_mailbox_is_no_duplicate(box: Mailbox) -> None:
    import_archive(mailbox_of(agent()), as_mbox([old_mail(1)]))

    assert counters(import_archive(box, as_mbox([old_mail(1)]))) == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
@pytest.mark.parametrize("batch", [1, 100])
def test_a_conversation_is_one_thread_in_whatever_order_it_comes(
    box: Mailbox, order: tuple[int, ...], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BATCH_MESSAGES", batch)
    mails = {
        1: old_mail(1, date="Mon, 05 Jan 2015 10:00:00 +0000"),
        2: old_mail(2, date="Tue, 06 Jan 2015 10:00:00 +0000", references="<1@old.example>"),
        3: old_mail(3, date="Wed, 07 Jan 2015 10:00:00 +0000", references="<1@old.example> <2@old.example>"),
    }

    import_archive(box, as_mbox(mails[number] for number in order))

    thread = Thread.objects.get(mailbox=box)
    assert (thread.message_count, thread.subject, thread.folder) == (3, "Number 1", "inbox")
    assert thread.created_at == datetime(2015, 1, 5, 10, tzinfo=UTC)
    assert thread.last_message_at == datetime(2015, 1, 7, 10, tzinfo=UTC)


def test_imported_mail_joins_the_thread_it_answers(box: Mailbox) -> None:
    parent = receive(box, message_id="<p@x.example>")

    import_archive(box, as_mbox([old_mail(1, references="<p@x.example>")]))

    thread = Thread.objects.get(mailbox=box)
    assert thread.pk == parent.thread_id
    assert thread.message_count == 2
    assert thread.last_message_at == parent.created_at


def test_unrelated_mail_makes_threads_of_its_own(box: Mailbox) -> None:
    import_archive(box, as_mbox([old_mail(1), old_mail(2, references="<9@old.example>"), old_mail(3)]))

    assert Thread.objects.filter(mailbox=box).count() == 3


@pytest.mark.parametrize(
    ("labels", "folder", "is_read", "is_starred"),
    [
        ("Inbox,Unread", "inbox", False, False),
        ("Inbox,Opened,Starred,Category Updates", "inbox", True, True),
        ("Archived,Important,Opened", "archive", True, False),
        ("Trash,Unread", "archive", False, False),
        ("Spam,Unread", "spam", False, False),
        ("=?UTF-8?Q?Inbox,Opened,Caf=C3=A9?=", "inbox", True, False),
        ("Sent", "inbox", False, False),
    ],
)
def test_labels_of_gmail(box: Mailbox, labels: str, folder: str, is_read: bool, is_starred: bool) -> None:
    import_archive(box, as_mbox([old_mail(1, headers=f"X-Gmail-Labels: {labels}\n")]), mark_as_read=False)

    row = only_message(box)
    assert (row.thread.folder, row.is_read, row.is_starred) == (folder, is_read, is_starred)


def test_everything_is_read_when_the_job_says_so(box: Mailbox) -> None:
    import_archive(box, as_mbox([old_mail(1, headers="X-Gmail-Labels: Inbox,Unread\n")]))

    assert only_message(box).is_read is True


def test_a_conversation_with_mail_in_the_inbox_is_in_the_inbox(box: Mailbox) -> None:
    first = old_mail(1, headers="X-Gmail-Labels: Archived\n")
    answer = old_mail(2, references="<1@old.example>", headers="X-Gmail-Labels: Inbox\n")

    import_archive(box, as_mbox([first, answer]))

    assert list(Thread.objects.filter(mailbox=box).values_list("folder", "message_count")) == [("inbox", 2)]


def test_answers_to_spam_stay_out_of_the_spam_folder(box: Mailbox) -> None:
    spam = old_mail(1, headers="X-Gmail-Labels: Spam\n")

    import_archive(box, as_mbox([spam, old_mail(2, references="<1@old.example>")]))

    assert sorted(Thread.objects.filter(mailbox=box).values_list("folder", "message_count")) == [
        ("inbox", 1),
        ("spam", 1),
    ]


NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ENVELOPE = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Mon, 05 Jan 2015 10:00:00 +0200", datetime(2015, 1, 5, 8, tzinfo=UTC)),
        ("", ENVELOPE),
        ("yesterday", ENVELOPE),
        ("Thu, 01 Jan 1970 00:00:00 +0000", ENVELOPE),
        ("Mon, 05 Jan 2099 10:00:00 +0000", ENVELOPE),
        ("Mon, 04 May 2026 20:00:00 +0000", NOW),
    ],
)
def test_dates_that_cannot_be_true_are_replaced(box: Mailbox, date: str, expected: datetime) -> None:
    with time_machine.travel(NOW, tick=False):
        import_archive(box, as_mbox([old_mail(1, date=date)]))

    assert only_message(box).created_at == expected


def test_a_message_file_without_usable_date_is_dated_now(box: Mailbox) -> None:
    with time_machine.travel(NOW, tick=False):
        import_archive(box, old_mail(1, date=""))

    assert only_message(box).created_at == NOW


def test_messages_that_fail_or_are_unsafe_are_counted_and_the_others_imported(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MESSAGE_BYTES", 1_500_000)
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(60))
    many_headers = b"".join(b"X-%d: y\n" % n for n in range(120_000))
    mails = [
        old_mail(1),
        b"Subject: large\n\n" + b"x" * 2_000_000 + b"\n",
        b"\n\nno header at all\n",
        b"Subject: deep\nMIME-Version: 1.0\n" + nested,
        b"Subject: bomb\n" + many_headers + b"\nHi\n",
        old_mail(2),
    ]

    job = import_archive(box, as_zip({f"mail/{number}.eml": mail for number, mail in enumerate(mails)}))

    assert (job.status, counters(job)) == ("completed", (6, 2, 0, 2, 2))


def test_large_messages_are_blobs(box: Mailbox) -> None:
    import_archive(box, as_mbox([old_mail(1, text="x" * 200_000)]))

    row = only_message(box)
    assert row.content.raw_inline is None
    assert row.content.raw_key is not None


def test_a_full_mailbox_ends_the_job_and_keeps_what_fits(box: Mailbox) -> None:
    size = len(old_mail(1).replace(b"\n", b"\r\n"))
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=2 * size)

    job = import_archive(box, as_mbox([old_mail(n) for n in range(1, 5)]))

    assert (job.status, counters(job)) == ("failed", (2, 2, 0, 0, 0))
    assert job.error_detail is not None
    assert job.error_detail.startswith(f"The mailbox has reached its limit of {2 * size} bytes.")
    box.refresh_from_db()
    assert box.storage_used_bytes == 2 * size


def test_more_messages_than_a_job_may_have(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGES_PER_JOB", 3)

    exact = import_archive(box, as_mbox([old_mail(n) for n in range(3)]))
    more = import_archive(box, as_mbox([old_mail(n) for n in range(4)]))

    assert (exact.status, counters(exact)) == ("completed", (3, 3, 0, 0, 0))
    assert (more.status, counters(more)) == ("failed", (3, 0, 3, 0, 0))
    assert more.error_detail is not None
    assert more.error_detail.startswith("The upload has more than 3 messages")


@pytest.mark.parametrize(
    ("content", "source_format", "error"),
    [
        (b"just some words", "auto", "The uploaded file is no mbox, no message (eml) and no zip archive."),
        (b"\x00\x01\x02", "auto", "The uploaded file is no mbox, no message (eml) and no zip archive."),
        (old_mail(1), "mbox", "The uploaded file is not in the format mbox."),
        (old_mail(1), "zip", "The uploaded file is not in the format zip."),
        (as_zip({"a.eml": old_mail(1)}), "eml", "The uploaded file is not in the format eml."),
        (as_zip({"a.txt": b"hello"}), "auto", "The archive has no .eml or .mbox files."),
        (as_zip({"a.eml": old_mail(1)})[:-30], "auto", "The archive is damaged or incomplete."),
    ],
)
def test_a_file_that_is_something_else(box: Mailbox, content: bytes, source_format: str, error: str) -> None:
    job = import_archive(box, content, source_format=source_format)

    assert job.status == "failed"
    assert job.error_detail is not None
    assert job.error_detail.startswith(error)
    assert not Message.objects.exists()


@pytest.mark.parametrize("source_format", ["auto", "eml"])
def test_a_single_message(box: Mailbox, source_format: str) -> None:
    job = import_archive(box, old_mail(1), source_format=source_format)

    assert (job.status, counters(job)) == ("completed", (1, 1, 0, 0, 0))


def test_a_single_message_that_was_saved_with_its_from_line(box: Mailbox) -> None:
    import_archive(box, as_mbox([old_mail(1)]), source_format="eml")

    assert only_message(box).subject == "Number 1"


def test_an_archive_of_both_kinds(box: Mailbox) -> None:
    content = as_zip(
        {
            "Takeout/archive_browser.html": b"<html>",
            "Takeout/Mail/All mail Including Spam and Trash.mbox": as_mbox([old_mail(1), old_mail(2)]),
            "../../etc/3.EML": old_mail(3),
            "C:\\Users\\ada\\4.eml": old_mail(4),
            "Inbox.mbox/mbox": as_mbox([old_mail(5)]),
            "__MACOSX/._3.eml": b"\x00",
            "mail/._4.eml": b"\x00",
            "nested.zip": as_zip({"6.eml": old_mail(6)}),
            "empty.mbox": b"",
        }
    )

    job = import_archive(box, content)

    assert (job.status, counters(job)) == ("completed", (5, 5, 0, 0, 0))
    found = Message.objects.filter(mailbox=box).order_by("message_id")
    assert list(found.values_list("subject", flat=True)) == [f"Number {n}" for n in range(1, 6)]


def test_a_deleted_mailbox_ends_the_job(box: Mailbox) -> None:
    job = queued_job(box, as_mbox([old_mail(1)]))
    Mailbox.objects.filter(pk=box.pk).update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))

    run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.error_detail) == ("failed", "The mailbox was deleted.")
    assert not Message.objects.exists()
