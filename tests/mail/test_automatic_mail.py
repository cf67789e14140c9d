"""`auto_submitted` of forwards and drafts: the header goes out, and programs do not answer programs (RFC 3834)."""

from __future__ import annotations

from typing import Any

import pytest

from mail.models import Draft, Mailbox, Message
from mail.raw import load_raw
from tests.factories.identities import ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of, raw_mail, receive

pytestmark = pytest.mark.django_db

TO = {"to": ["ada@customer.example"]}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="alpha"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


@pytest.fixture
def path(box: Mailbox) -> str:
    return f"/mail/mailboxes/{box.email_address}"


def automatic(box: Mailbox) -> Message:
    return receive(box, b"Auto-Submitted: auto-generated\r\n" + raw_mail(box.email_address))


def made(client: ApiClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{path}/drafts", body)
    assert answer.status_code == 201, answer.content
    draft: dict[str, Any] = answer.json()
    return draft


def send_draft(client: ApiClient, path: str, draft: dict[str, Any]) -> Any:
    return client.post(f"{path}/drafts/{draft['id']}/send", {"generation": draft["generation"]})


def header(message_id: str) -> bytes:
    """The Auto-Submitted field of what goes out, empty without one."""
    raw = load_raw(Message.objects.get(pk=message_id).content)
    fields = [line for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n") if line.startswith(b"Auto-Submitted:")]
    assert len(fields) <= 1
    return b"".join(fields)


@pytest.mark.parametrize("mode", ["inline", "wrapped"])
@pytest.mark.parametrize("value", ["auto-generated", "auto-replied", None])
def test_a_forward_may_say_that_a_program_sends_it(
    box: Mailbox, client: ApiClient, path: str, mode: str, value: str | None
) -> None:
    # The original is automatic itself: forwarding it to somebody else is no answer to it.
    source = automatic(box)

    answer = client.post(
        f"{path}/messages/{source.pk}/forward", {"recipients": TO, "mode": mode, "auto_submitted": value}
    )

    assert (answer.status_code, answer.json()["is_automatic"]) == (201, value is not None)
    assert header(answer.json()["id"]) == (f"Auto-Submitted: {value}".encode() if value else b"")


def test_a_draft_keeps_it_until_it_is_sent(client: ApiClient, path: str) -> None:
    draft = made(client, path, recipients=TO, subject="Report", auto_submitted="auto-replied")
    assert draft["auto_submitted"] == "auto-replied"

    changed = client.patch(
        f"{path}/drafts/{draft['id']}", {"generation": draft["generation"], "auto_submitted": "auto-generated"}
    ).json()
    untouched = client.patch(f"{path}/drafts/{draft['id']}", {"generation": 2, "subject": "Weekly report"}).json()
    copy = client.post(f"{path}/drafts/{draft['id']}/duplicate", {"generation": 3}).json()
    cleared = client.patch(f"{path}/drafts/{copy['id']}", {"generation": 1, "auto_submitted": None}).json()
    sent = send_draft(client, path, untouched).json()
    sent_copy = send_draft(client, path, cleared).json()

    assert [changed["auto_submitted"], untouched["auto_submitted"]] == ["auto-generated"] * 2
    assert (copy["auto_submitted"], cleared["auto_submitted"]) == ("auto-generated", None)
    assert (header(sent["id"]), sent["is_automatic"]) == (b"Auto-Submitted: auto-generated", True)
    assert (header(sent_copy["id"]), sent_copy["is_automatic"]) == (b"", False)


def test_a_draft_that_says_nothing_is_not_automatic(client: ApiClient, path: str) -> None:
    draft = made(client, path, recipients=TO, subject="Hello")

    sent = send_draft(client, path, draft).json()

    assert (draft["auto_submitted"], sent["is_automatic"], header(sent["id"])) == (None, False, b"")


@pytest.mark.parametrize("link", ["in_reply_to_message_id", "thread_id"])
def test_an_automatic_answer_to_a_program_stays_a_draft(box: Mailbox, client: ApiClient, path: str, link: str) -> None:
    source = automatic(box)
    names = {"in_reply_to_message_id": source.pk, "thread_id": source.thread_id}
    draft = made(client, path, recipients=TO, subject="Re", auto_submitted="auto-replied", **{link: str(names[link])})

    refused = send_draft(client, path, draft)

    assert (refused.status_code, refused.json()["detail"]["error"]) == (403, "automatic_reply_refused")
    assert Draft.objects.get(pk=draft["id"]).state == "draft"
    assert not Message.objects.filter(direction="outbound").exists()
    by_hand = client.patch(f"{path}/drafts/{draft['id']}", {"generation": 1, "auto_submitted": None}).json()
    assert send_draft(client, path, by_hand).status_code == 200


def test_a_forward_draft_may_say_it_too(box: Mailbox, client: ApiClient, path: str) -> None:
    source = automatic(box)
    draft = made(client, path, recipients=TO, forward_message_id=str(source.pk), auto_submitted="auto-replied")

    sent = send_draft(client, path, draft)

    assert (sent.status_code, header(sent.json()["id"])) == (200, b"Auto-Submitted: auto-replied")


@pytest.mark.parametrize("value", ["no", "auto-replied\r\nBcc: x@y.example", 1, ["auto-replied"]])
def test_other_values_are_refused(box: Mailbox, client: ApiClient, path: str, value: Any) -> None:
    source = receive(box)
    draft = made(client, path, recipients=TO, subject="x")

    answers = [
        client.post(f"{path}/messages/{source.pk}/forward", {"recipients": TO, "auto_submitted": value}),
        client.post(f"{path}/drafts", {"auto_submitted": value}),
        client.patch(f"{path}/drafts/{draft['id']}", {"generation": 1, "auto_submitted": value}),
    ]

    for answer in answers:
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "auto_submitted"]
    assert Draft.objects.get().generation == 1
    assert not Message.objects.filter(direction="outbound").exists()
