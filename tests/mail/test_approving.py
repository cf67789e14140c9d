"""Held mail: accepted, shown to the agent, approved, edited, rejected, expired."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connections

from common.clock import now
from common.errors import DomainError, Invalid, RateLimited
from common.principal import Principal, Scope
from identities.enums import Role
from identities.errors import IdentityPaused
from identities.models import AgentIdentity, AuditRecord
from mail.approval_errors import ApprovalDecided, ApprovalForManagers, ApprovalNotFound
from mail.approval_selectors import count_waiting, list_waiting
from mail.errors import RecipientBlocked, RecipientSuppressed, StorageLimitExceeded
from mail.mime.build import OutgoingAttachment
from mail.models import (
    Approval,
    Mailbox,
    Message,
    OutboundJob,
    OutboundRecipient,
    SandboxMail,
    SearchEntry,
    SendWindow,
    Suppression,
)
from mail.services.approving import approve_message, expire_approvals, reject_message
from mail.services.composing import Recipients
from mail.services.deleting import delete_message, delete_thread
from mail.services.held_edits import Edits
from mail.services.indexing import index_everything
from mail.tasks import expire_approvals as expire_task
from tests.factories.contacts import rule
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    person,
    session_client,
)
from tests.factories.mail import mailbox_of, queue, receive, send
from webhooks.models import Event

pytestmark = pytest.mark.django_db

TO = "ada@customer.example"


@pytest.fixture
def box() -> Mailbox:
    """The mailbox of an agent that needs approval."""
    mailbox = mailbox_of(agent(organization("Acme"), "alpha"))
    mailbox.approval_required = True
    mailbox.save()
    return mailbox


@pytest.fixture
def owner(box: Mailbox) -> Principal:
    return manager(box)


def manager(box: Mailbox, role: Role = Role.OWNER) -> Principal:
    user = person(box.organization, role)
    return Principal(Scope.SESSION, box.organization_id, user_id=user.pk, role=role.value)


def edits(to: str | list[str] = TO, subject: str = "Hello", text: str = "Hi there.", **others: Any) -> Edits:
    return Edits(Recipients([to] if isinstance(to, str) else to, **others), subject, text)


def body(to: str = TO, **fields: Any) -> dict[str, Any]:
    return {"recipients": {"to": [to]}, "subject": "Hello", "body_text": "Hi.", **fields}


def states(message: Message) -> tuple[str, str | None, bool]:
    """(status, approval state, whether it has a job)."""
    row = Message.objects.get(pk=message.pk)
    return row.status, row.approval_state, OutboundJob.objects.filter(pk=message.pk).exists()


def sent() -> list[list[str]]:
    return list(SandboxMail.objects.order_by("created_at").values_list("recipients", flat=True))


def events() -> list[str]:
    return list(Event.objects.order_by("position").values_list("event_type", flat=True))


def test_a_send_is_answered_held(box: Mailbox) -> None:
    assert box.identity is not None
    client = agent_client(box.identity)

    answer = client.post(f"/mail/mailboxes/{box.email_address}/messages", body())
    listed = client.get(f"/mail/mailboxes/{box.email_address}/messages").json()["items"][0]
    shown = client.get(f"/mail/mailboxes/{box.email_address}/messages/{answer.json()['id']}").json()

    assert answer.status_code == 201
    for found in (answer.json(), listed, shown):
        assert (found["status"], found["approval_state"], found["approval_reason"]) == ("queued", "pending", None)
    message = Message.objects.get()
    send(message)
    assert states(message) == ("queued", "pending", False)
    assert sent() == []
    assert events() == []


def test_a_send_that_needs_no_approval_says_so() -> None:
    identity = agent()
    box = mailbox_of(identity)

    answer = agent_client(identity).post(f"/mail/mailboxes/{box.email_address}/messages", body()).json()

    assert (answer["approval_state"], answer["approval_reason"]) == (None, None)
    assert not Approval.objects.exists()


@pytest.mark.parametrize("kind", ["send", "reply_all", "forward", "draft"])
def test_every_kind_of_send_is_held(box: Mailbox, kind: str) -> None:
    assert box.identity is not None
    received = receive(box)
    client = agent_client(box.identity)
    path = f"/mail/mailboxes/{box.email_address}"
    of = f"{path}/messages/{received.pk}"
    if kind == "draft":
        draft = client.post(f"{path}/drafts", body()).json()
        answer = client.post(f"{path}/drafts/{draft['id']}/send", {"generation": draft["generation"]})
    elif kind == "forward":
        answer = client.post(f"{of}/forward", {"recipients": {"to": [TO]}})
    elif kind == "reply_all":
        answer = client.post(f"{of}/reply-all", {"body_text": "Hi."})
    else:
        answer = client.post(f"{path}/messages", body())

    assert answer.status_code == (200 if kind == "draft" else 201)
    assert answer.json()["approval_state"] == "pending"
    assert not OutboundJob.objects.exists()


@pytest.mark.parametrize(
    ("caller", "is_held"), [("agent", True), ("admin key", True), ("owner", False), ("admin", False)]
)
def test_only_people_who_manage_send_without_approval(box: Mailbox, caller: str, is_held: bool) -> None:
    assert box.identity is not None
    clients: dict[str, Callable[[], ApiClient]] = {
        "agent": lambda: agent_client(box.identity),  # type: ignore[arg-type]
        "admin key": lambda: admin_client(box.organization),
        "owner": lambda: session_client(box.organization),
        "admin": lambda: session_client(box.organization, Role.ADMIN),
    }

    answer = clients[caller]().post(f"/mail/mailboxes/{box.email_address}/messages", body())

    assert (answer.json()["approval_state"] == "pending") is is_held


def test_a_repeated_send_gets_the_same_answer(box: Mailbox) -> None:
    assert box.identity is not None
    client = agent_client(box.identity)
    headers = {"Idempotency_Key": "k1", "Prefer": "idempotency-replay"}

    first = client.post(f"/mail/mailboxes/{box.email_address}/messages", body(), **headers)
    again = client.post(f"/mail/mailboxes/{box.email_address}/messages", body(), **headers)

    assert first.content == again.content
    assert Approval.objects.count() == 1


def test_quotas_and_rules_count_when_it_is_accepted(box: Mailbox, settings: Any) -> None:
    assert box.identity is not None
    settings.CLAIMED_SENDS_PER_DAY = 1
    rule(box.identity, "blocked.example")

    with pytest.raises(RecipientBlocked):
        queue(box, "x@blocked.example")
    queue(box, TO)
    with pytest.raises(RateLimited):
        queue(box, TO)

    assert Approval.objects.count() == 1


def test_an_approved_message_is_sent_once(box: Mailbox, owner: Principal) -> None:
    message = queue(box, TO)

    approve_message(owner, message.pk)
    assert states(message) == ("queued", "approved", True)
    send(message)
    approve_message(owner, message.pk)
    send(message)

    assert sent() == [[TO]]
    assert states(message) == ("sent", "approved", True)
    assert events() == ["message.sent"]
    row = Approval.objects.get()
    assert (row.decided_by_id, row.is_edited) == (owner.user_id, False)
    assert [(r.action, r.details) for r in AuditRecord.objects.filter(action__startswith="message.")] == [
        ("message.approved", {"edited": False, "recipients": 1})
    ]


def test_mail_between_agents_arrives_only_when_approved(box: Mailbox, owner: Principal) -> None:
    bravo = mailbox_of(agent(box.organization, "bravo"))
    message = queue(box, bravo.email_address)
    send(message)
    assert not Message.objects.filter(mailbox=bravo).exists()

    approve_message(owner, message.pk)
    send(message)

    assert Message.objects.filter(mailbox=bravo).count() == 1
    assert states(message)[0] == "delivered"


def test_a_rejected_message_fails_and_says_why(box: Mailbox, owner: Principal) -> None:
    assert box.identity is not None
    message = queue(box, TO)

    reject_message(owner, message.pk, " Not to customers. ")
    reject_message(owner, message.pk, "again")
    send(message)

    assert states(message) == ("failed", "rejected", False)
    assert sent() == []
    assert events() == ["message.failed"]
    path = f"/mail/mailboxes/{box.email_address}/messages/{message.pk}"
    shown = agent_client(box.identity).get(path).json()
    assert (shown["status"], shown["approval_state"]) == ("failed", "rejected")
    assert shown["approval_reason"] == "Not to customers."
    assert OutboundRecipient.objects.get().state == "failed"
    assert not Suppression.objects.exists()
    assert [r.details for r in AuditRecord.objects.filter(action="message.rejected")] == [{"has_reason": True}]


def test_what_is_decided_stays_decided(box: Mailbox, owner: Principal) -> None:
    approved, rejected = queue(box, TO), queue(box, TO)
    approve_message(owner, approved.pk)
    reject_message(owner, rejected.pk)

    with pytest.raises(ApprovalDecided):
        reject_message(owner, approved.pk)
    with pytest.raises(ApprovalDecided):
        approve_message(owner, rejected.pk)
    with pytest.raises(ApprovalDecided):
        approve_message(owner, approved.pk, edits(subject="Too late"))

    assert states(approved) == ("queued", "approved", True)
    assert states(rejected) == ("failed", "rejected", False)
    assert Message.objects.get(pk=approved.pk).subject == "Hello"


@pytest.mark.parametrize("decide", [approve_message, reject_message])
def test_who_decides(box: Mailbox, decide: Callable[..., Message]) -> None:
    message = queue(box, TO)
    never_held = queue(mailbox_of(agent(box.organization)), TO)

    with pytest.raises(ApprovalForManagers):
        decide(manager(box, Role.MEMBER), message.pk)
    agent_itself = Principal(Scope.AGENT, box.organization_id, identity_id=box.identity_id)
    with pytest.raises((ApprovalForManagers, ApprovalNotFound)):
        decide(agent_itself, message.pk)
    with pytest.raises(ApprovalNotFound):
        decide(manager(mailbox_of(agent(organization()))), message.pk)
    with pytest.raises(ApprovalNotFound):
        decide(manager(box), never_held.pk)

    assert states(message) == ("queued", "pending", False)


def test_members_see_what_waits_and_others_do_not(box: Mailbox) -> None:
    message = queue(box, TO)

    assert [row.pk for row in list_waiting(manager(box, Role.MEMBER))] == [message.pk]
    assert count_waiting(manager(box)) == 1
    assert count_waiting(manager(mailbox_of(agent(organization())))) == 0


def _pause(box: Mailbox) -> None:
    AgentIdentity.objects.filter(pk=str(box.identity_id)).update(status="paused")


def _block(box: Mailbox) -> None:
    assert box.identity is not None
    rule(box.identity, "customer.example")


def _suppress(box: Mailbox) -> None:
    Suppression.objects.create(organization_id=box.organization_id, address=TO, reason="manual", source="api")


@pytest.mark.parametrize(
    ("change", "refusal"), [(_pause, IdentityPaused), (_block, RecipientBlocked), (_suppress, RecipientSuppressed)]
)
def test_what_changed_meanwhile_counts(
    box: Mailbox, owner: Principal, change: Callable[[Mailbox], None], refusal: type[DomainError]
) -> None:
    message = queue(box, TO)
    change(box)

    with pytest.raises(refusal):
        approve_message(owner, message.pk)

    assert states(message) == ("queued", "pending", False)
    assert Approval.objects.get().decided_at is None


def test_an_edited_message_goes_out_as_edited(box: Mailbox, owner: Principal) -> None:
    received = receive(box)
    message = queue(
        box, TO, in_reply_to_message_id=str(received.pk), body_html="<p>Hi <b>there</b>.</p>", reply_to="r@x.example"
    )
    before = Message.objects.get(pk=message.pk)
    used = Mailbox.objects.get(pk=box.pk).storage_used_bytes
    index_everything()

    approve_message(
        owner, message.pk, edits(["b@customer.example"], "Changed", "New\r\ntext", cc=[TO], bcc=["c@x.example"])
    )
    index_everything()
    send(message)

    row = Message.objects.select_related("content").get(pk=message.pk)
    assert (row.subject, row.to_addresses, row.cc_addresses, row.bcc_addresses) == (
        "Changed",
        ["b@customer.example"],
        [TO],
        ["c@x.example"],
    )
    assert (row.content.body_text, row.content.body_html) == ("New\ntext", None)
    assert (row.message_id, row.in_reply_to, row.thread_id) == (
        before.message_id,
        received.message_id,
        before.thread_id,
    )
    assert row.reply_to == ["r@x.example"]
    assert sorted(sent()[0]) == [TO, "b@customer.example", "c@x.example"]
    raw = bytes(SandboxMail.objects.get().raw_inline or b"")
    assert b"Subject: Changed" in raw
    assert b"text/html" not in raw
    assert b"c@x.example" not in raw
    assert row.message_id.encode() in raw
    growth = row.size_bytes - before.size_bytes
    assert Mailbox.objects.get(pk=box.pk).storage_used_bytes == used + growth
    assert SearchEntry.objects.get(message=row).is_pending is False
    assert Approval.objects.get().is_edited is True
    assert SendWindow.objects.get().sends == 3


def test_an_edit_of_the_subject_keeps_html_and_files(box: Mailbox, owner: Principal) -> None:
    files = (
        OutgoingAttachment("a.txt", "text/plain; charset=utf-8", "é".encode()),
        OutgoingAttachment("logo.png", "image/png", b"\x89PNG", "logo"),
    )
    message = queue(box, TO, body_html='<p>Hi <img src="cid:logo"></p>', attachments=files)

    approve_message(owner, message.pk, edits(subject="Changed"))

    row = Message.objects.select_related("content").get(pk=message.pk)
    assert row.subject == "Changed"
    assert row.content.body_html == '<p>Hi <img src="cid:logo"></p>'
    files_now = {(part["filename"], part["content_id"]) for part in row.attachment_metadata or ()}
    assert files_now == {("a.txt", None), ("logo.png", "logo")}
    assert row.has_attachments is True


def test_an_edit_that_changes_nothing_is_none(box: Mailbox, owner: Principal) -> None:
    message = queue(box, TO, body_html="<p>Hi</p>", auto_submitted="auto-generated")
    before = Message.objects.select_related("content").get(pk=message.pk)

    approve_message(owner, message.pk, edits(text="Hi there.\r\n"))

    after = Message.objects.select_related("content").get(pk=message.pk)
    assert bytes(after.content.raw_inline or b"") == bytes(before.content.raw_inline or b"x")
    assert Approval.objects.get().is_edited is False


def test_an_automatic_message_stays_marked(box: Mailbox, owner: Principal) -> None:
    message = queue(box, TO, auto_submitted="auto-generated")

    approve_message(owner, message.pk, edits(subject="Changed"))

    raw = bytes(Message.objects.select_related("content").get(pk=message.pk).content.raw_inline or b"")
    assert b"Auto-Submitted: auto-generated\r\n" in raw


def test_edited_recipients_are_checked_and_counted(box: Mailbox, owner: Principal, settings: Any) -> None:
    assert box.identity is not None
    settings.CLAIMED_SENDS_PER_DAY = 2
    rule(box.identity, "blocked.example")
    message = queue(box, TO)

    with pytest.raises(RecipientBlocked):
        approve_message(owner, message.pk, edits("x@blocked.example"))
    with pytest.raises(Invalid):
        approve_message(owner, message.pk, edits("no address"))
    with pytest.raises(Invalid):
        approve_message(owner, message.pk, edits([]))
    with pytest.raises(RateLimited):
        approve_message(owner, message.pk, edits(["a@x.example", "b@x.example", "c@x.example"]))
    assert states(message) == ("queued", "pending", False)
    assert Message.objects.get(pk=message.pk).to_addresses == [TO]

    approve_message(owner, message.pk, edits(["a@x.example", "b@x.example"]))
    assert SendWindow.objects.get().sends == 2


def test_an_edit_has_to_fit_the_mailbox(box: Mailbox, owner: Principal) -> None:
    message = queue(box, TO)
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=message.size_bytes + 100)

    with pytest.raises(StorageLimitExceeded):
        approve_message(owner, message.pk, edits(text="x" * 5000))

    assert states(message) == ("queued", "pending", False)


def test_what_nobody_decides_fails_in_time(box: Mailbox, owner: Principal, settings: Any) -> None:
    settings.APPROVAL_HOURS = 2
    message = queue(box, TO)
    assert expire_approvals() == 0

    with time_machine.travel(now() + timedelta(hours=2, seconds=1), tick=False):
        with pytest.raises(ApprovalDecided):
            approve_message(owner, message.pk)
        expire_task()
        assert expire_approvals() == 0

    assert states(message) == ("failed", "expired", False)
    assert events() == ["message.failed"]
    assert Message.objects.get(pk=message.pk).approval_reason == "Nobody decided in time."


@pytest.mark.parametrize("what", ["message", "thread"])
def test_deleting_withdraws(box: Mailbox, owner: Principal, what: str) -> None:
    message = queue(box, TO)

    if what == "message":
        delete_message(message)
    else:
        delete_thread(message.thread)

    assert states(message) == ("queued", "withdrawn", False)
    assert count_waiting(owner) == 0
    with pytest.raises(ApprovalNotFound):
        approve_message(owner, message.pk)
    with time_machine.travel(now() + timedelta(days=30), tick=False):
        assert expire_approvals() == 0
    assert events() == []


def test_deleting_with_an_old_row_does_not_undo_an_approval(box: Mailbox, owner: Principal) -> None:
    message = queue(box, TO)
    old = Message.objects.get(pk=message.pk)
    approve_message(owner, message.pk)

    delete_message(old)

    assert states(message) == ("queued", "approved", True)


def test_mail_of_a_deleted_mailbox_is_withdrawn(box: Mailbox, owner: Principal) -> None:
    message = queue(box, TO)
    Mailbox.objects.filter(pk=box.pk).update(deleted_at=now())

    assert count_waiting(owner) == 0
    with time_machine.travel(now() + timedelta(days=30), tick=False):
        assert expire_approvals() == 0

    assert states(message) == ("queued", "withdrawn", False)
    assert events() == []


@pytest.mark.django_db(transaction=True)
def test_of_decisions_that_race_one_counts(box: Mailbox) -> None:
    owners = [manager(box) for _ in range(4)]
    message = queue(box, TO)
    barrier = threading.Barrier(4)
    refused: list[str] = []

    def decide(number: int) -> None:
        barrier.wait()
        try:
            if number % 2:
                approve_message(owners[number], message.pk)
            else:
                reject_message(owners[number], message.pk)
        except ApprovalDecided as error:
            refused.append(error.fields["state"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=decide, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    status, state, has_job = states(message)
    assert (status, state, has_job) in {("queued", "approved", True), ("failed", "rejected", False)}
    assert refused == [state, state]
    assert AuditRecord.objects.filter(action__in=["message.approved", "message.rejected"]).count() == 1


def test_the_setting_is_changed_by_managers() -> None:
    identity = agent(organization(), "alpha")
    box = mailbox_of(identity)
    path = f"/mail/mailboxes/{box.email_address}"

    refused = agent_client(identity).patch(path, {"approval_required": True})
    by_member = session_client(identity.organization, Role.MEMBER).patch(path, {"approval_required": True})
    odd = admin_client(identity.organization).patch(path, {"approval_required": "yes"})
    assert (refused.status_code, by_member.status_code, odd.status_code) == (403, 403, 422)
    box.refresh_from_db()
    assert box.approval_required is False

    taken = admin_client(identity.organization).patch(path, {"approval_required": True})
    admin_client(identity.organization).patch(path, {"approval_required": True})

    assert taken.json()["approval_required"] is True
    embedded = agent_client(identity).get("/identities/alpha").json()["mailbox"]
    assert embedded["approval_required"] is True
    rows = AuditRecord.objects.filter(action="mailbox.updated")
    assert [row.details for row in rows] == [{"approval_required": True}]
