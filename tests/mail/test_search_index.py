"""The index in the database: what is found, in which order, and when it is written and removed."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from uuid import UUID

import pytest
import time_machine
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clock import now
from common.errors import Invalid
from common.principal import Principal, Scope
from mail import selectors
from mail.enums import MessageStatus
from mail.models import Mailbox, Message, SearchEntry
from mail.search.document import (
    ANYWHERE,
    RECIPIENT,
    SENDER,
    SUBJECT,
    SearchableMessage,
    Stream,
    document_streams,
)
from mail.search.query import Clause, Place, SearchQuery, parse_query
from mail.services import indexing
from mail.services.deleting import delete_message, purge_deleted_mail
from mail.services.sending import send_message
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, principal_of, queue, raw_mail, receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


def find(mailbox: Mailbox, text: str, limit: int = 50, principal: Principal | None = None) -> list[str]:
    """Subjects of what a search finds, best first."""
    caller = principal or principal_of(mailbox)
    return [row["subject"] for row in selectors.search_messages(caller, mailbox, parse_query(text), limit).items]


def in_index(term: str) -> int:
    """Documents in the full text index itself that have a term."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT count(*) FROM mail_search WHERE mail_search MATCH %s", [term])
        else:
            cursor.execute("SELECT count(*) FROM mail_searchentry WHERE terms @@ %s::tsquery", [term])
        return int(cursor.fetchone()[0])


def test_matches_come_by_place_and_then_newest_first(box: Mailbox) -> None:
    moment = now() - timedelta(days=1)
    mails: tuple[dict[str, str], ...] = (
        {"subject": "red shoe, old"},
        {"subject": "red", "sender": "Shoe <shop@x.example>"},
        {"subject": "shoes", "text": "the red one"},
        {"subject": "plain", "text": "red and shoe"},
        {"subject": "red shoe, new"},
        {"subject": "newest plain", "text": "shoe: red"},
    )
    for minute, fields in enumerate(mails):
        with time_machine.travel(moment + timedelta(minutes=minute), tick=False):
            receive(box, raw_mail(box.email_address, **fields))  # type: ignore[arg-type]
    indexing.index_pending()

    assert find(box, "red shoe") == [
        "red shoe, new",
        "red shoe, old",
        "red",
        "shoes",
        "newest plain",
        "plain",
    ]
    assert find(box, "red shoe", limit=3) == ["red shoe, new", "red shoe, old", "red"]


def test_newest_is_by_date_and_not_by_arrival(box: Mailbox) -> None:
    first, second = receive(box, subject="first"), receive(box, subject="second")
    SearchEntry.objects.all().delete()
    Message.objects.filter(pk=second.pk).update(created_at=now() - timedelta(days=900))

    assert indexing.request_missing() == 2
    assert indexing.index_pending() == 2
    assert find(box, "invoice OR total ") == []
    assert find(box, "total") == ["first", "second"]
    assert find(box, f"before:{(now() - timedelta(days=800)).date()}") == ["second"]
    assert find(box, f"after:{(now() - timedelta(days=800)).date()} total") == ["first"]
    assert first.pk != second.pk


def test_every_text_of_a_message_is_found(box: Mailbox) -> None:
    receive(
        box,
        subject="Subjectword",
        sender="Sendername <senderlocal@senderdomain.example>",
        cc="Copied <copylocal@copydomain.example>",
        text="plainword\n",
        attachments=(("Filename_one.pdf", "application/pdf", b"%PDF-"),),
    )
    receive(box, subject="rich", text="", html="<style>.hidden{}</style><p>html<b>word</b> sécond</p>")
    sent = queue(box, "towhom@x.example", bcc=["secret@bcc.example"], subject="sent", body_text="outword")
    indexing.index_pending()

    for word in ("subjectword", "sendername", "senderlocal", "senderdomain", "copylocal", "plainword", "filename"):
        assert find(box, word) == ["Subjectword"], word
    assert find(box, "htmlword second") == ["rich"]
    assert find(box, "hidden") == []
    for word in ("outword", "to:towhom", "to:bcc", "to:secret@bcc.example", "from:billing-bot"):
        assert find(box, word) == ["sent"], word
    assert sent.subject == "sent"


def test_local_delivery_is_found_in_both_mailboxes(box: Mailbox) -> None:
    other = mailbox_of(agent(box.organization, "other-bot"))
    send_message(queue(box, other.email_address, subject="Across").pk)
    indexing.index_pending()

    assert (find(box, "across"), find(other, "across")) == (["Across"], ["Across"])


def test_a_mailbox_finds_only_its_own(box: Mailbox) -> None:
    other = mailbox_of(agent(organization(), "foreign-bot"))
    receive(other, subject="theirs")
    indexing.index_pending()

    assert find(box, "theirs") == []
    assert find(box, "-nothing") == []
    assert find(other, "theirs") == ["theirs"]


def test_a_mailbox_with_the_same_key_still_finds_only_its_own(box: Mailbox) -> None:
    key = box.pk.hex[-8:]
    other = mailbox_of(agent(organization(), "foreign-bot"))
    twin = Mailbox.objects.create(
        id=UUID(f"{other.pk.hex[:-8]}{key}"), organization=other.organization, email_address="twin@mail.localhost"
    )
    receive(twin, subject="theirs")
    receive(box, subject="ours")
    indexing.index_pending()

    assert find(box, "total") == ["ours"]
    assert find(twin, "total") == ["theirs"]


def test_agents_do_not_find_what_is_blocked_and_admins_do(box: Mailbox) -> None:
    message = receive(box, subject="blocked one")
    Message.objects.filter(pk=message.pk).update(is_blocked=True)
    indexing.index_pending()
    admin = Principal(scope=Scope.ADMIN, organization_id=box.organization_id)

    assert find(box, "blocked") == []
    assert find(box, "blocked", principal=admin) == ["blocked one"]


def test_flags_are_those_of_now(box: Mailbox) -> None:
    message = receive(box, subject="flagged", attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
    receive(box, subject="other")
    indexing.index_pending()
    assert find(box, "is:unread is:starred") == []

    Message.objects.filter(pk=message.pk).update(is_read=True, is_starred=True)

    assert find(box, "is:starred") == find(box, "is:read") == find(box, "has:attachment") == ["flagged"]
    assert find(box, "is:unread") == find(box, "-has:attachment") == ["other"]


def test_a_deleted_message_leaves_the_index_at_once(box: Mailbox) -> None:
    message, kept = receive(box, subject="gone"), receive(box, subject="kept")
    indexing.index_pending()
    key = box.pk.hex[-8:]
    assert (in_index(f"{key}sgone"), in_index(f"{key}e")) == (1, 2)

    delete_message(message)

    assert find(box, "total") == ["kept"]
    assert list(SearchEntry.objects.values_list("message_id", flat=True)) == [kept.pk]
    assert (in_index(f"{key}sgone"), in_index(f"{key}e")) == (0, 1)


def test_a_message_deleted_before_it_was_indexed_stays_out(box: Mailbox) -> None:
    delete_message(receive(box))

    assert indexing.index_pending() == 0
    assert not SearchEntry.objects.exists()


def test_the_purge_forgets_deleted_mailboxes_and_what_was_deleted_some_other_way(box: Mailbox) -> None:
    other = mailbox_of(agent(box.organization, "other-bot"))
    receive(other)
    left = receive(box, subject="left")
    gone = receive(box, subject="gone")
    indexing.index_pending()
    Mailbox.objects.filter(pk=other.pk).update(deleted_at=now())
    Message.objects.filter(pk=gone.pk).update(deleted_at=now())
    assert find(box, "total") == ["left"]

    purge_deleted_mail()

    assert list(SearchEntry.objects.values_list("message_id", flat=True)) == [left.pk]


def test_indexing_again_replaces_what_was_indexed(box: Mailbox) -> None:
    message = receive(box, subject="before")
    indexing.index_pending()
    Message.objects.filter(pk=message.pk).update(subject="after")
    indexing.request_reindexing([message.pk])

    assert indexing.index_pending() == 1
    assert indexing.index_pending() == 0

    assert find(box, "before") == []
    assert find(box, "subject:after") == ["after"]


def test_a_request_that_arrives_while_its_message_is_indexed_is_kept(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = receive(box, subject="first")

    def meanwhile(document: SearchableMessage) -> list[Stream]:
        Message.objects.filter(pk=message.pk).update(subject="second")
        indexing.request_reindexing([message.pk])
        return document_streams(document)

    monkeypatch.setattr("mail.services.indexing.document_streams", meanwhile)
    assert indexing.index_pending() == 0
    monkeypatch.undo()

    assert indexing.index_pending() == 1
    assert find(box, "subject:second") == ["second"]


def test_a_message_that_cannot_be_read_does_not_stop_the_others(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(box, subject="poison")
    receive(box, subject="fine")

    def fail(document: SearchableMessage) -> list[Stream]:
        if document.subject == "poison":
            raise ValueError("no")
        return document_streams(document)

    monkeypatch.setattr("mail.services.indexing.document_streams", fail)

    assert indexing.index_pending() == 2
    assert find(box, "total") == ["fine"]
    assert not SearchEntry.objects.filter(is_pending=True).exists()


def test_two_indexers_never_do_the_same_work_in_one_process(box: Mailbox) -> None:
    receive(box)

    with indexing._running:
        assert indexing.index_pending() == 0
    assert indexing.index_pending() == 1


def test_indexing_makes_way_for_mail_that_arrives(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr(indexing, "_BATCH", 1)
    with time_machine.travel(now() - timedelta(hours=1), tick=True):
        receive(box)
        receive(box)

    assert (indexing.index_pending(), pauses) == (2, [])

    receive(box)
    receive(box)
    assert indexing.index_pending() == 2
    assert len(pauses) == 2
    assert all(pause > 0 for pause in pauses)


def test_a_rebuild_finds_everything_again(box: Mailbox) -> None:
    receive(box, subject="one")
    missing = receive(box, subject="two")
    indexing.index_pending()
    SearchEntry.objects.filter(message=missing).delete()

    call_command("search_index", "--rebuild", verbosity=0)

    assert find(box, "total") == ["two", "one"]


def test_stored_messages_are_requested_by_the_migration(box: Mailbox) -> None:
    receive(box, subject="stored")
    delete_message(receive(box, subject="deleted"))
    SearchEntry.objects.all().delete()
    migration = import_module("mail.migrations.0015_index_stored_messages")

    migration.request_indexing(apps, None)
    migration.request_indexing(apps, None)

    assert indexing.index_pending() == 1
    assert find(box, "stored") == ["stored"]


WORDS = ["red", "redder", "shoe", "ада", "東京", "京都", "é", "ha"]
_pieces = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
_queries = st.lists(
    st.tuples(
        st.sampled_from(["", "-", "subject:", "from:", "-to:"]),
        st.lists(st.sampled_from([*WORDS, "京", "東京都", "re*", "x.example"]), min_size=1, max_size=3),
        st.booleans(),
    ).map(lambda p: f'{p[0]}"{" ".join(p[1])}"' if p[2] else p[0] + p[1][0]),
    min_size=1,
    max_size=4,
).map(" ".join)


@given(
    mails=st.lists(st.tuples(_pieces, _pieces, st.sampled_from(["red", "shoe"])), min_size=1, max_size=4),
    queries=st.lists(_queries | st.text(max_size=20), min_size=4, max_size=8),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_finds_what_the_words_say(
    box: Mailbox, mails: list[tuple[str, str, str]], queries: list[str]
) -> None:
    Message.objects.all().delete()
    for subject, body, sender in mails:
        receive(box, subject=subject or "none", text=body, sender=f"{sender}@x.example")
    indexing.index_pending()
    entries = {entry.message_id: entry for entry in SearchEntry.objects.select_related("message__content")}
    documents = {pk: _words(entry.message) for pk, entry in entries.items()}

    for text in queries:
        try:
            query = parse_query(text)
        except Invalid:
            continue
        page = selectors.search_messages(principal_of(box), box, query, 50)
        expected = {str(pk) for pk, words in documents.items() if _matches(words, query)}
        assert {str(row["id"]) for row in page.items} == expected, text
        assert len(page.items) == len(expected)


def _words(message: Message) -> dict[str, list[str]]:
    document = indexing._documents([message.pk])[message.pk]
    return {stream.prefix[8:]: stream.words for stream in document.streams}


_LETTERS = {Place.ANYWHERE: ANYWHERE, Place.SUBJECT: SUBJECT, Place.SENDER: SENDER, Place.RECIPIENT: RECIPIENT}


def _matches(words: dict[str, list[str]], query: SearchQuery) -> bool:
    if query.is_impossible or query.flags or query.since or query.before:
        return False
    return all(_has(words, c) for c in query.wanted) and not any(_has(words, c) for c in query.unwanted)


def _has(words: dict[str, list[str]], clause: Clause) -> bool:
    places = words.get(_LETTERS[clause.place], [])
    size = len(clause.words)
    for start in range(len(places) - size + 1):
        run = places[start : start + size]
        is_end_right = run[-1].startswith(clause.words[-1]) if clause.is_prefix else run[-1] == clause.words[-1]
        if run[:-1] == list(clause.words[:-1]) and is_end_right:
            return True
    return False


def test_the_wire_shape_is_that_of_a_list(box: Mailbox) -> None:
    receive(box)
    indexing.index_pending()
    caller = principal_of(box)

    found = selectors.search_messages(caller, box, parse_query("invoice"), 50)

    assert found.texts == selectors.list_messages(caller, box, limit=50).texts
    assert found.items[0]["status"] == MessageStatus.RECEIVED.value
    assert found.body["has_more"] is False
    assert found.body["next_cursor"] is None
