"""Extracting the text of attachments: requests, claims, outcomes, and reading them over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from common.clock import now
from identities.models import User
from mail import limits, selectors
from mail.enums import TextStatus
from mail.extraction.formats import Format
from mail.extraction.sandbox import Extraction
from mail.mime.build import OutgoingAttachment
from mail.models import AttachmentText, Mailbox, Message, SearchEntry
from mail.search.query import parse_query
from mail.services import extracting
from mail.services.extracting import extract_due
from mail.services.indexing import index_pending
from tests.factories.identities import ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of, principal_of, queue, receive
from tests.identities.rows import all_rows
from tests.mail.files import DOCX, docx, pdf

pytestmark = pytest.mark.django_db

PDF = ("report.pdf", "application/pdf", pdf("quarterly figures"))
TEXT = ("notes.txt", "text/plain", b"meeting notes")
IMAGE = ("photo.png", "image/png", b"\x89PNG")


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def read(client: ApiClient, box: Mailbox, message: Message, filename: str) -> Any:
    return client.get(f"/mail/mailboxes/{box.pk}/messages/{message.pk}/attachments/{filename}/text")


def statuses(message: Message) -> list[tuple[int, str, str]]:
    rows = AttachmentText.objects.filter(message=message).order_by("part_index")
    return list(rows.values_list("part_index", "status", "reason"))


def test_the_text_of_attachments_is_extracted_and_searchable(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, attachments=(PDF, IMAGE, TEXT, ("letter.docx", DOCX, docx("Dear Sir"))))
    assert index_pending() == 1
    assert statuses(message) == [(0, "pending", ""), (2, "pending", ""), (3, "pending", "")]
    assert read(client, box, message, "report.pdf").json()["status"] == "pending"

    assert extract_due() == 3

    assert [read(client, box, message, name).json() for name in ("report.pdf", "photo.png", "notes.txt")] == [
        {"filename": "report.pdf", "status": "done", "reason": "", "text": "quarterly figures", "is_cut": False},
        {
            "filename": "photo.png",
            "status": "skipped",
            "reason": "text is not extracted from files of this kind",
            "text": None,
            "is_cut": False,
        },
        {"filename": "notes.txt", "status": "done", "reason": "", "text": "meeting notes", "is_cut": False},
    ]
    assert index_pending() == 1
    for words in ("quarterly figures", '"meeting notes"', "dear sir"):
        found = selectors.search_messages(principal_of(box), box, parse_query(words), 5)
        assert [row["id"] for row in found.items] == [str(message.pk)], words
    assert extract_due() == 0


def test_what_was_sent_is_extracted_too(box: Mailbox, client: ApiClient) -> None:
    notes = OutgoingAttachment("notes.txt", "text/plain", b"sent notes", None)
    message = queue(box, "ada@x.example", attachments=[notes])
    index_pending()
    extract_due()

    assert read(client, box, message, "notes.txt").json()["text"] == "sent notes"


def test_the_detail_tells_the_state_of_each_attachment(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, attachments=(TEXT, IMAGE))
    path = f"/mail/mailboxes/{box.pk}/messages/{message.pk}"

    before = [item["text_status"] for item in client.get(path).json()["attachment_metadata"]]
    index_pending()
    extract_due()

    assert before == ["pending", "skipped"]
    assert [item["text_status"] for item in client.get(path).json()["attachment_metadata"]] == ["done", "skipped"]
    assert client.get(f"/mail/mailboxes/{box.pk}/messages/{receive(box).pk}").json()["attachment_metadata"] is None


def test_reading_the_text_changes_nothing(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, attachments=(TEXT,))
    index_pending()
    extract_due()
    before = all_rows()

    assert read(client, box, message, "notes.txt").status_code == 200
    assert all_rows() == before


@pytest.mark.parametrize("filename", ["other.txt", "NOTES.TXT", "%00"])
def test_an_unknown_attachment_is_not_found(box: Mailbox, client: ApiClient, filename: str) -> None:
    message = receive(box, attachments=(TEXT,))

    response = read(client, box, message, filename)

    assert (response.status_code, response.json()) == (404, {"detail": "Attachment not found"})


def test_a_damaged_file_fails_with_a_reason(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, attachments=(("broken.pdf", "application/pdf", b"not a pdf"),))
    index_pending()
    entries = list(SearchEntry.objects.values_list("revision", "is_pending"))

    extract_due()

    body = read(client, box, message, "broken.pdf").json()
    assert (body["status"], body["text"]) == ("failed", None)
    assert body["reason"] == "the file is damaged or not what it claims to be"
    assert list(SearchEntry.objects.values_list("revision", "is_pending")) == entries


def test_too_large_and_too_many_files_are_skipped(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXTRACTED_FILE_MAX_BYTES", 10)
    monkeypatch.setattr(limits, "EXTRACTED_FILES_MAX", 2)
    files = tuple((f"{n}.txt", "text/plain", b"x" * size) for n, size in enumerate((5, 50, 5)))
    message = receive(box, attachments=files)

    index_pending()

    assert statuses(message) == [
        (0, "pending", ""),
        (1, "skipped", "the file is too large"),
        (2, "skipped", "the message has too many attachments"),
    ]


def test_indexing_again_does_not_ask_again(box: Mailbox) -> None:
    message = receive(box, attachments=(TEXT,))
    index_pending()
    extract_due()
    done = AttachmentText.objects.get().updated_at

    index_pending()

    row = AttachmentText.objects.get(message=message)
    assert (row.status, row.updated_at) == (TextStatus.DONE, done)


def test_a_leased_row_is_left_alone_until_its_lease_ends(box: Mailbox) -> None:
    receive(box, attachments=(TEXT,))
    index_pending()
    AttachmentText.objects.update(leased_until=now() + timedelta(minutes=1))
    assert extract_due() == 0

    AttachmentText.objects.update(leased_until=now() - timedelta(seconds=1))

    assert extract_due() == 1


def test_the_leases_of_a_dead_process_are_released(box: Mailbox) -> None:
    receive(box, attachments=(TEXT,))
    index_pending()
    AttachmentText.objects.update(leased_until=now() + timedelta(minutes=1))

    assert extracting.release_leases() == 1
    assert extract_due() == 1


def test_a_file_that_kills_its_worker_is_given_up(box: Mailbox, client: ApiClient) -> None:
    message = receive(box, attachments=(TEXT, ("second.txt", "text/plain", b"fine")))
    index_pending()
    AttachmentText.objects.filter(part_index=0).update(attempts=3)

    assert extract_due() == 1

    assert statuses(message) == [(0, "failed", "reading the file failed several times"), (1, "done", "")]


def test_a_bug_in_reading_is_a_failure_of_that_file(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    message = receive(box, attachments=(TEXT,))
    index_pending()

    def fail(_kind: Format, _content: bytes) -> Extraction:
        raise RuntimeError("bug")

    monkeypatch.setattr(extracting, "extract_text", fail)

    assert extract_due() == 1
    assert statuses(message) == [(0, "failed", "the file could not be read")]


def test_a_message_whose_bytes_are_gone_fails(box: Mailbox) -> None:
    message = receive(box, attachments=(TEXT,))
    index_pending()
    type(message.content).objects.filter(pk=message.pk).update(raw_inline=None, raw_key="0" * 64)

    extract_due()

    assert statuses(message) == [(0, "failed", "the file is not there any more")]


def test_a_late_second_worker_does_not_overwrite(box: Mailbox) -> None:
    receive(box, attachments=(TEXT,))
    index_pending()
    row = AttachmentText.objects.select_related("message__content").get()
    extract_due()
    AttachmentText.objects.update(attempts=F("attempts") + 1)

    extracting._settle(row, Extraction(None, reason="late"))

    assert AttachmentText.objects.get().text == "meeting notes"


def test_the_admin_shows_states_and_no_texts(box: Mailbox) -> None:
    operator = Client()
    operator.force_login(User.objects.create_superuser("op@example.org", "password"))
    receive(box, attachments=(TEXT, ("broken.pdf", "application/pdf", b"not a pdf")))
    index_pending()
    extract_due()
    row = AttachmentText.objects.get(part_index=0)

    rows = operator.get(reverse("admin:mail_attachmenttext_changelist")).content.decode()
    page = operator.get(reverse("admin:mail_attachmenttext_change", args=[row.pk])).content.decode()

    assert "the file is damaged or not what it claims to be" in rows
    assert "meeting notes" not in rows + page


def test_only_one_run_at_a_time_in_a_process(box: Mailbox) -> None:
    receive(box, attachments=(TEXT,))
    index_pending()

    with extracting._running:
        assert extract_due() == 0
    assert extract_due() == 1
