"""GET /message-sends/lookup (contract mail.md section 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from common.clock import now
from identities import limits
from identities.services.idempotency import purge_idempotency
from mail.models import Mailbox
from tests.factories.identities import (
    Answer,
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

REPLAY = {"Idempotency_Key": "key-1", "Prefer": "idempotency-replay"}
HUMAN = "human@example.com"
SEND = {"recipients": {"to": [HUMAN]}, "subject": "Hello"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def lookup(client: ApiClient, box: Mailbox, key: str | None = "key-1", **changes: Any) -> Answer:
    query = {"sender_kind": "mailbox", "sender_id": str(box.pk), "operation": "mail.send", **changes}
    text = "&".join(f"{name}={value}" for name, value in query.items() if value is not None)
    return client.get(f"/message-sends/lookup?{text}", **({} if key is None else {"Idempotency_Key": key}))


def test_the_message_of_a_send(box: Mailbox, client: ApiClient) -> None:
    sent = client.post(f"/mail/mailboxes/{box.pk}/messages", SEND, **REPLAY)
    rows = all_rows()

    found = lookup(client, box)

    assert (found.status_code, found.json()) == (200, {"message_id": sent.json()["id"]})
    assert all_rows() == rows


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "key-2"},
        {"operation": "mail.forward"},
        {"operation": "text.send"},
        {"sender_kind": "phone_number"},
        {"sender_kind": "imessage_identity"},
        {"sender_id": "00000000-0000-7000-8000-000000000000"},
    ],
)
def test_anything_else_is_not_found(box: Mailbox, client: ApiClient, changes: dict[str, str]) -> None:
    client.post(f"/mail/mailboxes/{box.pk}/messages", SEND, **REPLAY)

    found = lookup(client, box, **changes)

    assert found.status_code == 404
    assert found.json() == {"detail": "No accepted send has this key. This does not prove that nothing was sent."}


def test_a_refused_send_and_one_with_an_older_key_are_not_found(box: Mailbox, client: ApiClient) -> None:
    path = f"/mail/mailboxes/{box.pk}/messages"
    assert client.post(path, {**SEND, "subject": "x" * 999}, **REPLAY).status_code == 422
    assert lookup(client, box).status_code == 404

    assert client.post(path, SEND, Idempotency_Key="key-1").status_code == 201
    assert lookup(client, box).status_code == 404


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"key": None}, ["header", "Idempotency-Key"]),
        ({"key": " "}, ["header", "Idempotency-Key"]),
        ({"key": "x" * 256}, ["header", "Idempotency-Key"]),
        ({"sender_kind": "fax"}, ["query", "sender_kind"]),
        ({"sender_kind": None}, ["query", "sender_kind"]),
        ({"sender_id": "alpha"}, ["query", "sender_id"]),
        ({"sender_id": None}, ["query", "sender_id"]),
        ({"operation": "mail.draft"}, ["query", "operation"]),
        ({"operation": None}, ["query", "operation"]),
    ],
)
def test_a_bad_lookup_is_refused(box: Mailbox, client: ApiClient, changes: dict[str, Any], loc: list[str]) -> None:
    response = lookup(client, box, **changes)

    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, loc)


def test_a_key_is_forgotten_after_its_retention(box: Mailbox, client: ApiClient) -> None:
    client.post(f"/mail/mailboxes/{box.pk}/messages", SEND, **REPLAY)

    with time_machine.travel(now() + limits.IDEMPOTENCY_RETENTION + timedelta(seconds=1), tick=False):
        purge_idempotency()
        assert lookup(client, box).status_code == 404


def test_who_may_look_up_what() -> None:
    acme = organization()
    alpha, newcomer = agent(acme), unclaimed_agent(acme, human_email=HUMAN)
    of_alpha, of_newcomer = mailbox_of(alpha), mailbox_of(newcomer)
    for box in (of_alpha, of_newcomer):
        assert admin_client(acme).post(f"/mail/mailboxes/{box.pk}/messages", SEND, **REPLAY).status_code == 201

    statuses = {
        "admin": lookup(admin_client(acme), of_alpha).status_code,
        "session": lookup(session_client(acme), of_alpha).status_code,
        "own": lookup(agent_client(alpha), of_alpha).status_code,
        "unclaimed own": lookup(agent_client(newcomer), of_newcomer).status_code,
        "sibling": lookup(agent_client(newcomer), of_alpha).status_code,
        "foreign": lookup(admin_client(), of_alpha).status_code,
        "nobody": lookup(nobody(), of_alpha).status_code,
    }

    assert statuses == {
        "admin": 200,
        "session": 200,
        "own": 200,
        "unclaimed own": 200,
        "sibling": 404,
        "foreign": 404,
        "nobody": 401,
    }
