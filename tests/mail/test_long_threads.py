"""A conversation of 10,000 messages: every door answers in bounded work, whatever its length."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mail import limits
from mail.models import Mailbox, Message, MessageContent, Thread
from mail.services.receiving import accept_batch
from tests.factories.identities import ApiClient, agent, agent_client
from tests.factories.mail import inbound, mailbox_of, raw_mail, receive
from tests.mail.test_api_budgets import cost

pytestmark = pytest.mark.django_db

LENGTH = 10_000
# One answer, its serialization and what the database driver holds meanwhile.
_MEMORY_BYTES = 32 * 1024 * 1024
# Of processor time, memory tracing included; what grows with the square of the length takes minutes.
_SECONDS = 15


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="alpha"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


@pytest.fixture
def long_thread(box: Mailbox) -> Thread:
    """Rows as receiving leaves them, each an answer to the one before; copied by the database, which is quick."""
    first = receive(box, message_id="<m0@x.example>", sender="ada@customer.example")
    numbered = {
        "message_id": "'<m' || n || '@x.example>'",
        "in_reply_to": "'<m' || (n - 1) || '@x.example>'",
        "dedup_key": "'m' || n",
    }
    _copy(Message, first.pk, numbered)
    with connection.cursor() as cursor:
        columns = ", ".join(f'"{f.column}"' for f in MessageContent._meta.concrete_fields if not f.primary_key)
        cursor.execute(
            f"INSERT INTO mail_messagecontent (message_id, {columns}) SELECT m.id, {columns} FROM mail_message m "
            "CROSS JOIN (SELECT * FROM mail_messagecontent) c WHERE m.in_reply_to IS NOT NULL"
        )
    Thread.objects.filter(pk=first.thread_id).update(message_count=LENGTH)
    Mailbox.objects.filter(pk=box.pk).update(storage_used_bytes=first.size_bytes * LENGTH)
    return Thread.objects.get(pk=first.thread_id)


def _copy(model: Any, pk: Any, changed: dict[str, str]) -> None:
    """LENGTH - 1 copies of a row, with a new id and these expressions over their number."""
    new_id = "lower(hex(randomblob(16)))" if connection.vendor == "sqlite" else "gen_random_uuid()"
    fields = model._meta.concrete_fields
    values = [
        new_id if f.primary_key else changed.get(f.column, f'{model._meta.db_table}."{f.column}"') for f in fields
    ]
    names = ", ".join(f'"{f.column}"' for f in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {LENGTH - 1}) "
            f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(values)} FROM {model._meta.db_table} "
            f"CROSS JOIN numbers WHERE {model._meta.db_table}.id = %s",
            [model._meta.pk.get_db_prep_value(pk, connection)],
        )


def bounded(client: ApiClient, method: str, path: str, body: Any = None) -> Any:
    """One request within the bounds of this file."""
    tracemalloc.start()
    started = time.process_time()
    try:
        answer = client.call(method, path, body)
        seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code < 300, answer.content
    assert peak < _MEMORY_BYTES
    assert seconds < _SECONDS
    return answer.json() if answer.content else None


def test_every_read_and_change_of_a_long_thread_is_bounded(
    box: Mailbox, client: ApiClient, long_thread: Thread
) -> None:
    threads = f"/mail/mailboxes/{box.email_address}/threads"
    path = f"{threads}/{long_thread.pk}"
    short = receive(box, message_id="<short@x.example>", subject="Short").thread_id

    whole = bounded(client, "GET", path)
    listed = bounded(client, "GET", threads)
    text = bounded(client, "GET", f"{path}/text?max_bytes=4096")
    moved = bounded(client, "PATCH", path, {"folder": "archive"})

    assert (whole["message_count"], len(whole["messages"])) == (LENGTH, limits.THREAD_MESSAGES_MAX)
    assert whole["has_more"] is True
    assert sorted(row["message_count"] for row in listed["items"]) == [1, LENGTH]
    assert len(text["text"].encode()) <= 4096
    assert moved["folder"] == "archive"
    assert cost(client, "GET", path) == cost(client, "GET", f"{threads}/{short}")


def test_an_answer_in_a_long_thread_costs_what_one_in_a_short_thread_costs(
    box: Mailbox, client: ApiClient, long_thread: Thread
) -> None:
    receive(box, message_id="<short@x.example>", subject="Short")

    def queries(parent: str) -> int:
        mail = inbound(raw_mail(box.email_address, in_reply_to=parent, sender="ada@customer.example"), box)
        with CaptureQueriesContext(connection) as captured:
            accept_batch([mail])
        return len(captured)

    into_short = queries("<short@x.example>")
    started = time.process_time()
    into_long = queries(f"<m{LENGTH - 1}@x.example>")

    assert time.process_time() - started < _SECONDS
    assert into_long == into_short
    long_thread.refresh_from_db()
    assert long_thread.message_count == LENGTH + 1
    body = {"body_text": "Enough."}
    for parent in ("<m9999@x.example>", "<short@x.example>"):
        message = Message.objects.get(message_id=parent)
        bounded(client, "POST", f"/mail/mailboxes/{box.pk}/messages/{message.pk}/reply-all", body)


def test_deleting_a_long_thread_is_a_few_statements(box: Mailbox, client: ApiClient, long_thread: Thread) -> None:
    path = f"/mail/mailboxes/{box.email_address}/threads/{long_thread.pk}"

    with CaptureQueriesContext(connection) as captured:
        bounded(client, "DELETE", path)

    assert len(captured) < 60
    box.refresh_from_db()
    assert not Message.objects.alive().filter(thread=long_thread).exists()
    assert box.storage_used_bytes == 0
