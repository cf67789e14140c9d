"""Who may call what: every mail route with every kind of caller (contract mail.md section 1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from identities.enums import Role
from mail.models import Mailbox
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

CALLERS = ("admin", "owner", "member", "claimed", "unclaimed", "sibling", "foreign", "no_org", "nobody")
HUMAN = "human@example.com"


@dataclass(frozen=True)
class Caller:
    """A client, and the mailbox it speaks of: its own for agents, alpha's for everybody else."""

    client: ApiClient
    values: dict[str, str]


def _world() -> dict[str, Caller]:
    acme, other = organization(), organization()
    alpha, newcomer, sibling = agent(acme, "alpha"), unclaimed_agent(acme, "newcomer"), agent(acme, "sibling")

    def values(box: Mailbox) -> dict[str, str]:
        message = receive(box, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
        return {"box": box.email_address, "message": str(message.pk), "thread": str(message.thread_id)}

    of_alpha, of_newcomer = values(mailbox_of(alpha)), values(mailbox_of(newcomer))
    return {
        "admin": Caller(admin_client(acme), of_alpha),
        "owner": Caller(session_client(acme, Role.OWNER), of_alpha),
        "member": Caller(session_client(acme, Role.MEMBER), of_alpha),
        "claimed": Caller(agent_client(alpha), of_alpha),
        "unclaimed": Caller(agent_client(newcomer), of_newcomer),
        "sibling": Caller(agent_client(sibling), of_alpha),
        "foreign": Caller(admin_client(other), of_alpha),
        "no_org": Caller(ApiClient(bearer=session(None)), of_alpha),
        "nobody": Caller(nobody(), of_alpha),
    }


def _own(status: int) -> tuple[int, ...]:
    return (status, status, status, status, status, 404, 404, 403, 401)


_BOX = "/mail/mailboxes/{box}"
_SEND = {"recipients": {"to": [HUMAN]}, "subject": "Hello"}
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "list mailboxes": ("GET", "/mail/mailboxes", None, (200, 200, 200, 200, 200, 200, 200, 403, 401)),
    "get mailbox": ("GET", _BOX, None, _own(200)),
    "list messages": ("GET", f"{_BOX}/messages", None, _own(200)),
    "get message": ("GET", f"{_BOX}/messages/{{message}}", None, _own(200)),
    "send": ("POST", f"{_BOX}/messages", _SEND, _own(201)),
    "flag message": ("PATCH", f"{_BOX}/messages/{{message}}", {"is_starred": True}, _own(200)),
    "delete message": ("DELETE", f"{_BOX}/messages/{{message}}", None, _own(204)),
    "attachment": ("GET", f"{_BOX}/messages/{{message}}/attachments/a.pdf", None, _own(200)),
    "list threads": ("GET", f"{_BOX}/threads", None, _own(200)),
    "thread folders": ("GET", f"{_BOX}/threads/folders", None, _own(200)),
    "get thread": ("GET", f"{_BOX}/threads/{{thread}}", None, _own(200)),
}


@pytest.mark.parametrize("number", range(len(CALLERS)), ids=CALLERS)
@pytest.mark.parametrize("route", MATRIX)
def test_who_may_call_what(route: str, number: int) -> None:
    method, path, body, statuses = MATRIX[route]
    caller = _world()[CALLERS[number]]
    before = all_rows()

    response = caller.client.call(method, path.format(**caller.values), body)

    assert response.status_code == statuses[number], response.content
    if statuses[number] >= 400:
        assert isinstance(response.json()["detail"], str)
        assert all_rows() == before


def test_what_others_own_looks_like_what_does_not_exist() -> None:
    world = _world()
    client, values = world["sibling"].client, world["sibling"].values

    foreign = client.get(f"/mail/mailboxes/{values['box']}/messages/{values['message']}")
    missing = client.get("/mail/mailboxes/nobody@mail.localhost/messages/1")

    assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)


def test_a_message_is_found_in_its_own_mailbox_only() -> None:
    acme = organization()
    one, two = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    message = receive(one, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
    client = admin_client(acme)
    path = f"/mail/mailboxes/{two.pk}"
    before = all_rows()

    answers = [
        client.get(f"{path}/messages/{message.pk}"),
        client.patch(f"{path}/messages/{message.pk}", {"is_read": True}),
        client.delete(f"{path}/messages/{message.pk}"),
        client.get(f"{path}/messages/{message.pk}/attachments/a.pdf"),
        client.get(f"{path}/threads/{message.thread_id}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert all_rows() == before
    assert client.get(f"{path}/messages").json()["items"] == []
    assert client.get(f"{path}/threads").json()["items"] == []


def test_the_older_key_header_works_too() -> None:
    identity = agent(handle="alpha")
    key = agent_client(identity)._headers["X-API-Key"]

    assert nobody(headers={"X-Service-Token": key}).get("/mail/mailboxes/alpha").status_code == 200
    assert nobody(headers={"Authorization": f"Bearer {key}"}).get("/mail/mailboxes/alpha").status_code == 200
    assert nobody(headers={"X-API-Key": key + "x"}).get("/mail/mailboxes/alpha").status_code == 401
