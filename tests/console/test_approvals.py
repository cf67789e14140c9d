"""Held mail in the console: who sees it, who decides, and what people are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from console.limits import REASON_MAX_CHARS
from console.paging import PAGE_ROWS
from identities.enums import Role
from identities.models import AgentIdentity, AuditRecord, Organization
from mail.mime.build import OutgoingAttachment
from mail.models import Approval, Mailbox, Message, OutboundJob, SandboxMail, Suppression
from mail.services.approving import expire_approvals
from mail.services.deleting import delete_message
from tests.console.pages import signed_in, text
from tests.factories.contacts import rule
from tests.factories.identities import agent, organization, person
from tests.factories.mail import mailbox_of, queue, receive, send

pytestmark = pytest.mark.django_db

TO = "ada@customer.example"
HOSTILE = "<script>alert(1)</script>"
LIST = "/console/approvals"


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


@pytest.fixture
def box(acme: Organization) -> Mailbox:
    """The mailbox of an agent that needs approval."""
    mailbox = mailbox_of(agent(acme, "alpha"))
    mailbox.approval_required = True
    mailbox.save()
    return mailbox


def page_of(message: Message) -> str:
    return reverse("console:approval", args=[message.pk])


def edit(client: Client, message: Message, **values: Any) -> Any:
    """Post the form of the editor, its fields as they were unless given."""
    written = {"to": TO, "cc": "", "bcc": "", "subject": "Hello", "body": "Hi there.", **values}
    return client.post(reverse("console:edit_approval", args=[message.pk]), written)


def reject(client: Client, message: Message, reason: str = "") -> Any:
    return client.post(reverse("console:reject_approval", args=[message.pk]), {"reason": reason})


def told(client: Client, response: Any) -> str:
    """The page that a decision leads to."""
    return text(client.get(response.headers["Location"]))


def state(message: Message) -> tuple[str, str | None, bool]:
    """(status, approval state, whether it has a job)."""
    row = Message.objects.get(pk=message.pk)
    return row.status, row.approval_state, OutboundJob.objects.filter(pk=message.pk).exists()


HELD = ("queued", "pending", False)


def test_the_list_shows_what_waits_longest_first_and_counts_it(acme: Organization, box: Mailbox) -> None:
    queue(box, TO, subject=f"First {HOSTILE}")
    queue(box, "bob@customer.example", subject="Second", attachments=(OutgoingAttachment("a.txt", "text/plain", b"a"),))
    foreign = mailbox_of(agent(organization(), "foreign"))
    Mailbox.objects.filter(pk=foreign.pk).update(approval_required=True)
    queue(foreign, TO, subject="Foreign")

    page = text(signed_in(acme, Role.MEMBER).get(LIST))

    assert page.index("First") < page.index("Second")
    assert "Foreign" not in page
    assert HOSTILE not in page
    assert '<span class="count">2<span class="visually-hidden"> waiting</span></span>' in page
    for shown in ("@alpha", TO, "with files"):
        assert shown in page


def test_the_empty_list_says_how_to_hold_mail(acme: Organization) -> None:
    client = signed_in(acme)

    assert "require approval" in text(client.get(LIST))
    assert "Nothing was decided yet" in text(client.get(LIST, {"decided": "1"}))
    assert 'class="count"' not in text(client.get(LIST))


def test_the_list_has_pages(acme: Organization, box: Mailbox) -> None:
    for number in range(PAGE_ROWS + 1):
        queue(box, TO, subject=f"Mail {number:03}")
    client = signed_in(acme)

    first, second = text(client.get(LIST)), text(client.get(LIST, {"page": "2"}))

    assert "Mail 000" in first
    assert f"Mail {PAGE_ROWS:03}" not in first
    assert "?page=2" in first
    assert f"Mail {PAGE_ROWS:03}" in second
    assert "Mail 000" not in second


@pytest.mark.parametrize("is_decided", [False, True])
def test_a_list_of_many_costs_what_a_list_of_one_costs(acme: Organization, box: Mailbox, is_decided: bool) -> None:
    client = signed_in(acme)
    counts = []
    for _ in range(2):
        for number in range(4):
            message = queue(box, f"{number}@customer.example")
            if is_decided:
                reject(signed_in(acme), message)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST, {"decided": "1"} if is_decided else {})
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 8


def test_the_page_shows_what_would_be_sent(acme: Organization, box: Mailbox) -> None:
    received = receive(box)
    message = queue(
        box,
        TO,
        cc=["bob@customer.example"],
        bcc=["carl@customer.example"],
        subject=f"Offer {HOSTILE}",
        body_text=f"Text {HOSTILE}",
        body_html=f"<p>Hi</p>{HOSTILE}",
        attachments=(OutgoingAttachment("offer.txt", "text/plain", b"1200"),),
        in_reply_to_message_id=str(received.pk),
        reply_to="sales@acme.example",
    )
    client = signed_in(acme)

    page = text(client.get(page_of(message)))

    for shown in (
        box.email_address,
        TO,
        "bob@customer.example",
        "carl@customer.example",
        "sales@acme.example",
        "offer.txt",
        "Read what it answers",
        "everything that this agent sends needs approval",
        Approval.objects.get().expires_at.strftime("%H:%M UTC"),
    ):
        assert shown in page
    assert HOSTILE not in page
    frame = reverse("console:message_html", args=["alpha", message.pk])
    assert f'src="{frame}"' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert HOSTILE not in text(client.get(frame))


def test_what_is_approved_is_sent_once(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO, subject="Offer")
    client = signed_in(acme)

    answers = [client.post(page_of(message)) for _ in range(2)]
    send(message)

    assert {answer.headers["Location"] for answer in answers} == {LIST}
    assert "“Offer” is on its way." in told(client, answers[0])
    assert [row.recipients for row in SandboxMail.objects.all()] == [[TO]]
    assert state(message) == ("sent", "approved", True)
    assert "Approved by" in text(client.get(LIST, {"decided": "1"}))
    assert "Approve and send" not in text(client.get(page_of(message)))


def test_what_is_edited_is_sent_as_it_was_edited(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO, body_html="<p>Hi there.</p>")
    client = signed_in(acme)
    form = text(client.get(reverse("console:edit_approval", args=[message.pk])))

    response = edit(client, message, to=f"Ada <{TO}>, bob@customer.example", subject="Better", body="Dear all,\r\nhi.")
    send(message)

    assert 'value="Hello"' in form
    assert "only your text is sent" in form
    assert "with your changes" in told(client, response)
    row = Message.objects.select_related("content").get(pk=message.pk)
    assert (row.subject, row.to_addresses) == ("Better", [TO, "bob@customer.example"])
    assert (row.content.body_text, row.content.body_html) == ("Dear all,\nhi.", None)
    assert sorted(SandboxMail.objects.get().recipients) == [TO, "bob@customer.example"]
    assert "with changes" in text(client.get(page_of(message)))


def test_an_untouched_form_sends_the_mail_as_it_was(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO, body_html="<p>Hi there.</p>")

    edit(signed_in(acme), message)

    assert Message.objects.select_related("content").get(pk=message.pk).content.body_html == "<p>Hi there.</p>"
    assert Approval.objects.get().is_edited is False


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"to": "no address"}, "no address"),
        ({"to": "", "cc": "", "bcc": ""}, "Name at least one address."),
        ({"to": "x@blocked.example"}, "blocked.example"),
        ({"to": "gone@customer.example"}, "gone@customer.example"),
        ({"subject": "a\x01b"}, "Remove line breaks and control characters."),
    ],
)
def test_an_edit_is_checked_as_a_send_is(
    acme: Organization, box: Mailbox, values: dict[str, str], sentence: str
) -> None:
    assert box.identity is not None
    rule(box.identity, "blocked.example")
    Suppression.objects.create(organization=acme, address="gone@customer.example", reason="manual", source="api")
    message = queue(box, TO)

    response = edit(signed_in(acme), message, **values)

    assert response.status_code == 422
    assert sentence in text(response)
    assert 'class="field-error"' in text(response)
    assert state(message) == HELD
    assert Message.objects.get(pk=message.pk).to_addresses == [TO]


def test_what_a_send_would_refuse_by_now_stays_held_and_says_why(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO)
    AgentIdentity.objects.update(status="paused")

    response = signed_in(acme).post(page_of(message))

    assert response.status_code == 403
    assert "paused" in text(response)
    assert "The mail is still held." in text(response)
    assert state(message) == HELD


@pytest.mark.parametrize("reason", ["", "Not to customers.\r\nAsk me first."])
def test_what_is_rejected_is_not_sent_and_the_reason_is_kept(acme: Organization, box: Mailbox, reason: str) -> None:
    message = queue(box, TO)
    client = signed_in(acme)

    response = reject(client, message, reason)
    send(message)

    assert "Rejected." in told(client, response)
    assert state(message) == ("failed", "rejected", False)
    assert not SandboxMail.objects.exists()
    assert Message.objects.get(pk=message.pk).approval_reason == (reason.replace("\r\n", "\n") or None)
    assert "Rejected by" in text(client.get(page_of(message)))


def test_a_reason_has_a_limit(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO)

    response = reject(signed_in(acme), message, "x" * (REASON_MAX_CHARS + 1))

    assert response.status_code == 422
    assert 'class="reject" open' in text(response)
    assert state(message) == HELD


@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
def test_members_see_held_mail_and_do_not_decide(acme: Organization, box: Mailbox, decision: str) -> None:
    message = queue(box, TO)
    member = signed_in(acme, Role.MEMBER)

    page = text(member.get(page_of(message)))
    answer = decide(member, message, decision)

    assert "Only owners and admins decide." in page
    assert "Approve and send" not in page
    assert "Reject" not in page
    assert answer.status_code == 403
    assert state(message) == HELD


@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
def test_held_mail_of_others_is_nobodys_business(box: Mailbox, decision: str) -> None:
    message = queue(box, TO)

    assert decide(signed_in(organization()), message, decision).status_code == 404
    assert state(message) == HELD


def decide(client: Client, message: Message, decision: str) -> Any:
    if decision == "approve":
        return client.post(page_of(message))
    return reject(client, message) if decision == "reject" else edit(client, message, subject="Mine")


@pytest.mark.parametrize(
    ("first", "second", "sentence", "mails"),
    [
        ("approve", "approve", "Grace approved this mail before you. It is sent once", 1),
        ("edit", "approve", "Grace approved this mail before you. It is sent once", 1),
        ("approve", "edit", "Grace approved this mail before you. It is sent once", 1),
        ("approve", "reject", "Grace approved this mail before you. It is sent once", 1),
        ("reject", "approve", "Grace rejected this mail before you. It was not sent.", 0),
        ("reject", "edit", "Grace rejected this mail before you. It was not sent.", 0),
        ("reject", "reject", "Grace rejected this mail before you. It was not sent.", 0),
    ],
)
def test_who_decides_second_hears_who_was_first(
    acme: Organization, box: Mailbox, first: str, second: str, sentence: str, mails: int
) -> None:
    message = queue(box, TO)
    grace = person(acme, name="Grace")
    late = signed_in(acme, Role.ADMIN)
    decide(signed_in(user=grace), message, first)

    response = decide(late, message, second)
    send(message)

    assert response.headers["Location"] == page_of(message)
    assert sentence in told(late, response)
    assert SandboxMail.objects.count() == mails
    assert Message.objects.get(pk=message.pk).subject == ("Mine" if first == "edit" else "Hello")
    assert AuditRecord.objects.filter(action__startswith="message.").count() == 1


def test_the_other_decision_of_the_same_person_is_too_late_too(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO)
    client = signed_in(acme)
    client.post(page_of(message))

    assert "You have approved this mail already." in told(client, reject(client, message))


def test_the_editor_of_what_is_decided_leads_to_the_mail(acme: Organization, box: Mailbox) -> None:
    message = queue(box, TO)
    client = signed_in(acme)
    reject(client, message)

    response = client.get(reverse("console:edit_approval", args=[message.pk]))

    assert response.headers["Location"] == page_of(message)


def _expire(message: Message) -> None:
    with time_machine.travel(now() + timedelta(days=30), tick=False):
        expire_approvals()


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [(_expire, "The time to decide is over."), (delete_message, "deleted before anybody decided")],
)
@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
def test_what_is_not_there_any_more_cannot_be_decided(
    acme: Organization, box: Mailbox, decision: str, happens: Callable[[Message], object], sentence: str
) -> None:
    message = queue(box, TO)
    client = signed_in(acme)
    happens(message)

    response = decide(client, message, decision)

    assert sentence in told(client, response)
    assert not OutboundJob.objects.exists()


def test_the_overview_shows_what_waits_and_does_not_count_it_as_sent(acme: Organization, box: Mailbox) -> None:
    free = mailbox_of(agent(acme, "bravo"))
    queue(free, TO)
    client = signed_in(acme)
    assert "Mail waits for approval" not in text(client.get(reverse("console:overview")))

    for number in range(5):
        queue(box, TO, subject=f"Held {number}")
    page = text(client.get(reverse("console:overview")))

    assert "Mail waits for approval" in page
    assert "Held 2" in page
    assert "Held 3" not in page
    assert "All 5" in page
    assert "<b>1</b><span>mails sent in 24 h</span>" in page


def test_the_thread_and_the_folder_say_that_mail_waits(acme: Organization, box: Mailbox) -> None:
    message, rejected = queue(box, TO), queue(box, TO, subject="Other")
    client = signed_in(acme)
    reject(client, rejected, "Not now.")

    thread = text(client.get(reverse("console:thread", args=["alpha", message.thread_id])))
    refused = text(client.get(reverse("console:thread", args=["alpha", rejected.thread_id])))
    folder = text(client.get(reverse("console:mail", args=["alpha"])))

    assert "waits for approval" in thread
    assert f'href="{page_of(message)}"' in thread
    assert "Not sent: Not now." in refused
    assert "waits for approval" in folder
    assert ">rejected<" in folder


def test_approval_is_required_and_not_any_more(acme: Organization) -> None:
    mailbox = mailbox_of(agent(acme, "alpha"))
    client = signed_in(acme, Role.ADMIN)
    path = reverse("console:agent_approval", args=["alpha"])
    seen = []

    for wanted in ("required", "off"):
        answer = client.post(path, {"approval": wanted})
        mailbox.refresh_from_db()
        seen.append(mailbox.approval_required)
        if wanted == "required":
            queue(mailbox, TO)
        page = told(client, answer)

    assert seen == [True, False]
    assert "What is held already still waits." in page
    assert "1 mail of this agent waits" in page
    assert Approval.objects.waiting().count() == 1
    assert [row.details for row in AuditRecord.objects.filter(action="mailbox.updated")] == [
        {"approval_required": True},
        {"approval_required": False},
    ]


def test_members_do_not_switch_approval(acme: Organization, box: Mailbox) -> None:
    member = signed_in(acme, Role.MEMBER)

    answer = member.post(reverse("console:agent_approval", args=["alpha"]), {"approval": "off"})
    page = text(member.get(reverse("console:agent_limits", args=["alpha"])))

    box.refresh_from_db()
    assert answer.status_code == 403
    assert box.approval_required is True
    assert "Send without approval" not in page
    assert "held until an owner or admin approves it" in page
