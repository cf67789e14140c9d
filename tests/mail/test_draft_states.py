"""What may be done to a draft in which state: every state with every action (contract mail.md 7.4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from common.clock import now
from mail.draft_states import DraftAction, SendState, effective_state, refusal
from mail.models import Draft, Mailbox, Message
from tests.factories.identities import Answer, ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of
from tests.identities.rows import all_rows

MOMENT = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
BUSY, UNSURE = "draft_send_in_progress", "draft_delivery_uncertain"
PDF = {"filename": "a.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0="}


@pytest.mark.parametrize(
    ("state", "edit", "send", "duplicate", "delete"),
    [
        (SendState.DRAFT, None, None, None, None),
        (SendState.SENDING, BUSY, BUSY, BUSY, BUSY),
        (SendState.UNCERTAIN, UNSURE, UNSURE, None, None),
    ],
)
def test_every_state_with_every_action(
    state: SendState, edit: str | None, send: str | None, duplicate: str | None, delete: str | None
) -> None:
    errors = [refusal(state, action) for action in (DraftAction.EDIT, DraftAction.SEND)]
    errors += [refusal(state, action) for action in (DraftAction.DUPLICATE, DraftAction.DELETE)]

    assert [error.code if error is not None else None for error in errors] == [edit, send, duplicate, delete]


@pytest.mark.parametrize(
    ("state", "seconds", "effective"),
    [
        ("draft", None, SendState.DRAFT),
        ("sending", 1, SendState.SENDING),
        ("sending", 0, SendState.DRAFT),
        ("sending", -1, SendState.DRAFT),
        ("sending", None, SendState.DRAFT),
        ("uncertain", None, SendState.UNCERTAIN),
        ("uncertain", -1, SendState.UNCERTAIN),
    ],
)
def test_a_claim_runs_out(state: str, seconds: int | None, effective: SendState) -> None:
    until = MOMENT + timedelta(seconds=seconds) if seconds is not None else None

    assert effective_state(state, until, MOMENT) is effective


# --- over REST


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent())


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


CALLS: dict[str, Callable[[ApiClient, str], Answer]] = {
    "edit": lambda client, one: client.patch(one, {"generation": 1, "subject": "b"}),
    "send": lambda client, one: client.post(f"{one}/send", {"generation": 1}),
    "duplicate": lambda client, one: client.post(f"{one}/duplicate", {"generation": 1}),
    "delete": lambda client, one: client.delete(f"{one}?generation=1"),
    "add": lambda client, one: client.post(f"{one}/attachments", {"generation": 1, "attachments": [PDF]}),
    "remove": lambda client, one: client.delete(f"{one}/attachments/0?generation=1"),
    "download": lambda client, one: client.get(f"{one}/attachments/0?generation=1"),
    "read": lambda client, one: client.get(one),
}
STATES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    # name: columns, the state that is shown, and what each call answers.
    "draft": ({}, "draft", {"edit": 200, "send": 200, "duplicate": 201, "delete": 204, "add": 200, "remove": 200}),
    "sending": (
        {"send_state": "sending", "claim": uuid4(), "claimed_until": timedelta(minutes=1)},
        "sending",
        dict.fromkeys(("edit", "send", "duplicate", "delete", "add", "remove"), BUSY),
    ),
    "lapsed": (
        {"send_state": "sending", "claim": uuid4(), "claimed_until": -timedelta(seconds=1)},
        "draft",
        {"edit": 200, "send": 200, "duplicate": 201, "delete": 204, "add": 200, "remove": 200},
    ),
    "uncertain": (
        {"send_state": "uncertain"},
        "uncertain",
        {"edit": UNSURE, "send": UNSURE, "duplicate": 201, "delete": 204, "add": UNSURE, "remove": UNSURE},
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", STATES)
def test_every_call_in_every_state(box: Mailbox, client: ApiClient, state: str, call: str) -> None:
    path = f"/mail/mailboxes/{box.pk}/drafts"
    body = {"recipients": {"to": ["ada@x.example"]}, "subject": "a", "attachments": [PDF]}
    one = f"{path}/{client.post(path, body).json()['id']}"
    columns, shown, answers = STATES[state]
    until = columns.get("claimed_until")
    Draft.objects.update(**{**columns, "claimed_until": now() + until if until is not None else None})
    before = all_rows()

    assert client.get(one).json()["send_state"] == shown
    assert client.get(path).json()["items"][0]["send_state"] == shown
    answer = CALLS[call](client, one)

    expected = answers.get(call, 200)
    if isinstance(expected, int):
        assert answer.status_code == expected, answer.content
    else:
        assert (answer.status_code, answer.json()["detail"]["error"]) == (409, expected)
        assert ("Retry-After" in answer.headers) is (expected == BUSY)
        assert all_rows() == before
    if call == "duplicate" and expected == 201:
        assert answer.json()["send_state"] == "draft"
    assert Message.objects.count() == (1 if call == "send" and expected == 200 else 0)
