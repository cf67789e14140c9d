"""Who may call what: every mail route with every kind of caller (contract mail.md section 1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction

from identities.enums import Role
from mail.mime.build import OutgoingAttachment
from mail.models import Draft, Mailbox
from mail.services.composing import Recipients
from mail.services.draft_content import NewDraft
from mail.services.drafts import create_draft, prepare_draft
from tests.factories.contacts import rule
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
from tests.factories.mail import mailbox_of, principal_of, receive
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

    agent(acme, "spare")

    def values(box: Mailbox) -> dict[str, str]:
        message = receive(box, sender=HUMAN, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
        assert box.identity is not None
        return {
            "box": box.email_address,
            "message": str(message.pk),
            "thread": str(message.thread_id),
            "draft": str(draft_of(box).pk),
            "handle": box.identity.agent_handle,
            "rule": str(rule(box.identity).pk),
        }

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
_RULE = {"action": "allow", "match_type": "domain", "match_target": "new.example"}
_READS_RULES = (200, 200, 200, 200, 403, 404, 404, 403, 401)


def _changes_rules(status: int) -> tuple[int, ...]:
    return (status, status, 403, 403, 403, 403, 404, 403, 401)


def _rule_routes(owner: str, path: str) -> dict[str, tuple[str, str, Any, tuple[int, ...]]]:
    one = f"{path}/{{rule}}"
    return {
        f"list rules of {owner}": ("GET", path, None, _READS_RULES),
        f"get rule of {owner}": ("GET", one, None, _READS_RULES),
        f"create rule of {owner}": ("POST", path, _RULE, (201, 201, 403, 403, 403, 404, 404, 403, 401)),
        f"change rule of {owner}": ("PATCH", one, {"action": "allow"}, _changes_rules(200)),
        f"delete rule of {owner}": ("DELETE", one, None, _changes_rules(204)),
    }


# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "list mailboxes": ("GET", "/mail/mailboxes", None, (200, 200, 200, 200, 200, 200, 200, 403, 401)),
    "get mailbox": ("GET", _BOX, None, _own(200)),
    "search": ("GET", f"{_BOX}/search?q=invoice", None, _own(200)),
    "create mailbox": (
        "POST",
        "/mail/mailboxes",
        {"agent_handle": "spare"},
        (201, 201, 403, 403, 403, 403, 404, 403, 401),
    ),
    "change mailbox": ("PATCH", _BOX, {"signature_text": "Me"}, (200, 200, 403, 200, 200, 404, 404, 403, 401)),
    "change filter mode": ("PATCH", _BOX, {"filter_mode": "whitelist"}, (200, 200, 403, 403, 403, 404, 404, 403, 401)),
    "resume sending": ("POST", f"{_BOX}/resume-sending", None, (200, 200, 403, 403, 403, 403, 404, 403, 401)),
    "delete mailbox": ("DELETE", _BOX, None, (204, 204, 403, 403, 403, 403, 404, 403, 401)),
    "link mailbox": (
        "POST",
        "/identities/spare/mailbox",
        {"mailbox_id": "00000000-0000-7000-8000-000000000000"},
        (404, 404, 403, 403, 403, 403, 404, 403, 401),
    ),
    "unlink mailbox": ("DELETE", "/identities/{handle}/mailbox", None, (204, 204, 403, 403, 403, 403, 404, 403, 401)),
    "list messages": ("GET", f"{_BOX}/messages", None, _own(200)),
    "get message": ("GET", f"{_BOX}/messages/{{message}}", None, _own(200)),
    "send": ("POST", f"{_BOX}/messages", _SEND, _own(201)),
    "reply to all": ("POST", f"{_BOX}/messages/{{message}}/reply-all", {"body_text": "Hi"}, _own(201)),
    "forward": ("POST", f"{_BOX}/messages/{{message}}/forward", {"recipients": {"to": [HUMAN]}}, _own(201)),
    "flag message": ("PATCH", f"{_BOX}/messages/{{message}}", {"is_starred": True}, _own(200)),
    "delete message": ("DELETE", f"{_BOX}/messages/{{message}}", None, _own(204)),
    "attachment": ("GET", f"{_BOX}/messages/{{message}}/attachments/a.pdf", None, _own(200)),
    "list threads": ("GET", f"{_BOX}/threads", None, _own(200)),
    "thread folders": ("GET", f"{_BOX}/threads/folders", None, _own(200)),
    "attachment text": ("GET", f"{_BOX}/messages/{{message}}/attachments/a.pdf/text", None, _own(200)),
    "thread text": ("GET", f"{_BOX}/threads/{{thread}}/text", None, _own(200)),
    "get thread": ("GET", f"{_BOX}/threads/{{thread}}", None, _own(200)),
    "move thread": ("PATCH", f"{_BOX}/threads/{{thread}}", {"folder": "archive"}, _own(200)),
    "resume thread": (
        "POST",
        f"{_BOX}/threads/{{thread}}/resume",
        None,
        (200, 200, 403, 403, 403, 403, 404, 403, 401),
    ),
    "delete thread": ("DELETE", f"{_BOX}/threads/{{thread}}", None, _own(204)),
    **_rule_routes("mailbox", f"{_BOX}/contact-rules"),
    **_rule_routes("identity", "/identities/{handle}/mail-contact-rules"),
    "list rules of organization": (
        "GET",
        "/mail/contact-rules",
        None,
        (200, 200, 200, 403, 403, 403, 200, 403, 401),
    ),
}


_DRAFT = f"{_BOX}/drafts/{{draft}}"
_FILE = {"filename": "b.txt", "content_type": "text/plain", "content_base64": "aGk="}
MATRIX |= {
    "list drafts": ("GET", f"{_BOX}/drafts", None, _own(200)),
    "create draft": ("POST", f"{_BOX}/drafts", {"subject": "x"}, _own(201)),
    "get draft": ("GET", _DRAFT, None, _own(200)),
    "change draft": ("PATCH", _DRAFT, {"generation": 1, "subject": "y"}, _own(200)),
    "delete draft": ("DELETE", f"{_DRAFT}?generation=1", None, _own(204)),
    "duplicate draft": ("POST", f"{_DRAFT}/duplicate", {"generation": 1}, _own(201)),
    "send draft": ("POST", f"{_DRAFT}/send", {"generation": 1}, _own(200)),
    "add to draft": ("POST", f"{_DRAFT}/attachments", {"generation": 1, "attachments": [_FILE]}, _own(200)),
    "draft file": ("GET", f"{_DRAFT}/attachments/0?generation=1", None, _own(200)),
    "remove from draft": ("DELETE", f"{_DRAFT}/attachments/0?generation=1", None, _own(200)),
}


def draft_of(box: Mailbox) -> Draft:
    """A draft to the agent's human, with a file."""
    files = (OutgoingAttachment("a.txt", "text/plain", b"hi"),)
    new = NewDraft(recipients=Recipients(to=[HUMAN]), subject="Hello", attachments=files)
    prepared = prepare_draft(principal_of(box), box, new)
    with transaction.atomic():
        return create_draft(prepared)


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
    draft = draft_of(one)
    message = receive(one, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
    client = admin_client(acme)
    path = f"/mail/mailboxes/{two.pk}"
    before = all_rows()

    answers = [
        client.get(f"{path}/messages/{message.pk}"),
        client.patch(f"{path}/messages/{message.pk}", {"is_read": True}),
        client.delete(f"{path}/messages/{message.pk}"),
        client.get(f"{path}/messages/{message.pk}/attachments/a.pdf"),
        client.post(f"{path}/messages/{message.pk}/reply-all", {}),
        client.get(f"{path}/drafts/{draft.pk}"),
        client.patch(f"{path}/drafts/{draft.pk}", {"generation": 1}),
        client.post(f"{path}/drafts/{draft.pk}/send", {"generation": 1}),
        client.get(f"{path}/drafts/{draft.pk}/attachments/0?generation=1"),
        client.post(f"{path}/messages/{message.pk}/forward", {"recipients": {"to": [HUMAN]}}),
        client.get(f"{path}/threads/{message.thread_id}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 11
    assert all_rows() == before
    assert client.get(f"{path}/messages").json()["items"] == []
    assert client.get(f"{path}/threads").json()["items"] == []


def test_the_older_key_header_works_too() -> None:
    identity = agent(handle="alpha")
    key = agent_client(identity)._headers["X-API-Key"]

    assert nobody(headers={"X-Service-Token": key}).get("/mail/mailboxes/alpha").status_code == 200
    assert nobody(headers={"Authorization": f"Bearer {key}"}).get("/mail/mailboxes/alpha").status_code == 200
    assert nobody(headers={"X-API-Key": key + "x"}).get("/mail/mailboxes/alpha").status_code == 401
