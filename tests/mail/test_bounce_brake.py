"""A mailbox whose mail comes back stops sending until a person has looked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from common.clock import now
from identities.enums import Role
from identities.models import AuditRecord
from mail import limits
from mail.brakes import BounceBudget, bounces_too_much
from mail.enums import RecipientState
from mail.errors import SendingPaused
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, PlatformMail
from mail.services import settling
from mail.services.bounce_brake import check_bounces, resume_sending
from mail.services.relaying import relay_message
from mail.services.settling import Settlement, settle_recipients
from tests.factories.identities import (
    admin_client,
    admin_principal,
    agent,
    agent_client,
    organization,
    person,
)
from tests.factories.mail import mailbox_of, queue, send
from tests.identities.rows import all_rows
from tests.mail.test_api_budgets import cost

pytestmark = pytest.mark.django_db

START = "2026-05-04T10:00:00Z"
TEN = BounceBudget(10, 5)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as travel:
        yield travel


@pytest.fixture
def box() -> Mailbox:
    acme = organization("Acme")
    person(acme, Role.OWNER, email="owner@acme.example")
    person(acme, Role.ADMIN, email="admin@acme.example")
    person(acme, Role.MEMBER, email="member@acme.example")
    return mailbox_of(agent(acme, "alpha"))


def settled(box: Mailbox, state: str, times: int) -> list[Message]:
    """Messages to one address each, of which the world has told this."""
    messages = []
    for number in range(times):
        message = queue(box, f"{state}{number}@customer.example")
        OutboundJob.objects.filter(pk=message.pk).delete()
        settlement = Settlement(RecipientState(state), "smtp", "550 5.1.1 unknown" if state == "bounced" else "")
        settle_recipients(message.pk, {f"{state}{number}@customer.example": settlement})
        messages.append(message)
    return messages


def is_paused(box: Mailbox) -> bool:
    box.refresh_from_db()
    return box.sending_paused_at is not None


@pytest.mark.parametrize(
    ("bounced", "number", "expected"),
    [(4, 4, False), (5, 5, True), (5, 50, True), (5, 51, False), (6, 60, True), (0, 0, False), (100, 2000, False)],
)
def test_a_share_from_some_bounces_on(bounced: int, number: int, expected: bool) -> None:
    assert bounces_too_much(bounced, number, TEN) is expected


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 100), st.integers(1, 50))
def test_more_bounces_never_release_the_brake(bounced: int, delivered: int, percent: int, at_least: int) -> None:
    budget = BounceBudget(percent, at_least)
    before = bounces_too_much(bounced, bounced + delivered, budget)

    assert not before or bounces_too_much(bounced + 1, bounced + 1 + delivered, budget)
    assert not before or percent > 0
    # Mail that arrives never pulls it.
    assert before or not bounces_too_much(bounced, bounced + delivered + 1, budget)


def test_what_bounces_pauses_sending_with_a_reason(box: Mailbox) -> None:
    settled(box, "delivered", 3)
    settled(box, "bounced", 5)

    assert check_bounces(box.pk) is True

    assert is_paused(box)
    assert box.sending_paused_reason == "5 of the last 8 addresses that it wrote to bounced or complained."
    before = all_rows()
    with pytest.raises(SendingPaused):
        queue(box, "ada@customer.example")
    assert all_rows() == before
    assert box.identity is not None
    client = agent_client(box.identity)
    path = f"/mail/mailboxes/{box.email_address}"
    shown = client.get(path).json()
    refused = client.post(f"{path}/messages", {"recipients": {"to": ["ada@customer.example"]}, "subject": "x"})
    assert (shown["sending_paused_at"], shown["sending_paused_reason"]) == (
        "2026-05-04T10:00:00Z",
        box.sending_paused_reason,
    )
    assert (refused.status_code, refused.json()["detail"]["error"]) == (403, "sending_paused")
    assert refused.json()["detail"]["reason"] == box.sending_paused_reason


def test_owners_and_admins_are_told_once_and_the_log_has_it(box: Mailbox) -> None:
    settled(box, "bounced", 5)

    assert [check_bounces(box.pk) for _ in range(2)] == [True, False]

    mails = PlatformMail.objects.order_by("recipient")
    assert [mail.recipient for mail in mails] == ["admin@acme.example", "owner@acme.example"]
    assert {mail.subject for mail in mails} == {"Sending from alpha@mail.localhost is paused"}
    text = bytes(mails[0].raw or b"").decode()
    assert "5 of the last 5 addresses" in text
    assert "/console/agents/alpha/about" in text
    assert "Auto-Submitted: auto-generated" in text
    [row] = AuditRecord.objects.filter(action="mailbox.sending_paused")
    assert (row.actor_kind, row.target_label) == ("system", "alpha@mail.localhost")


def test_every_bounce_asks_for_a_look_and_a_delivery_does_not(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(settling, "nudge", lambda *arguments: asked.append(arguments))

    settled(box, "delivered", 1)
    settled(box, "bounced", 2)

    assert asked == [("mail.check_bounces", box.pk)] * 2


@pytest.mark.parametrize(("state", "times"), [("bounced", 4), ("failed", 9), ("uncertain", 9), ("delivered", 9)])
def test_what_does_not_pause(box: Mailbox, state: str, times: int) -> None:
    settled(box, state, times)
    before = all_rows()

    assert check_bounces(box.pk) is False

    assert all_rows() == before


def test_the_brake_may_be_off(box: Mailbox, settings: Settings) -> None:
    settings.BOUNCE_PAUSE_PERCENT = 0
    settled(box, "bounced", 9)

    assert check_bounces(box.pk) is False


def test_the_share_is_what_counts(box: Mailbox, settings: Settings) -> None:
    settings.BOUNCE_PAUSE_PERCENT = 50
    settled(box, "bounced", 5)
    settled(box, "delivered", 6)
    assert check_bounces(box.pk) is False

    settled(box, "bounced", 1)

    assert check_bounces(box.pk) is True


def test_old_bounces_and_those_of_other_mailboxes_do_not_count(box: Mailbox, clock: Any) -> None:
    settled(mailbox_of(agent(box.organization, "bravo")), "bounced", 5)
    settled(box, "bounced", 4)
    clock.shift(limits.BOUNCE_WINDOW + timedelta(seconds=1))
    settled(box, "bounced", 1)

    assert check_bounces(box.pk) is False


def test_mail_that_was_accepted_waits_and_goes_out_after_the_pause(box: Mailbox, clock: Any) -> None:
    waiting = queue(box, "ada@customer.example")
    settled(box, "bounced", 5)
    check_bounces(box.pk)

    send(waiting)

    row = OutboundRecipient.objects.get(message=waiting)
    assert row.state == "pending"
    assert OutboundJob.objects.get(pk=waiting.pk).due_at > now()
    clock.shift(timedelta(seconds=5))
    box.refresh_from_db()
    resume_sending(admin_principal(box.organization), box)
    assert OutboundJob.objects.get(pk=waiting.pk).due_at == now()
    relay_message(waiting.pk)
    row.refresh_from_db()
    assert row.state == "sent"


def test_after_a_resume_the_record_is_clean(box: Mailbox, clock: Any) -> None:
    old = settled(box, "bounced", 5)
    check_bounces(box.pk)
    clock.shift(timedelta(minutes=1))
    client = admin_client(box.organization)

    answer = client.post(f"/mail/mailboxes/{box.email_address}/resume-sending")
    again = client.post(f"/mail/mailboxes/{box.email_address}/resume-sending")

    assert (answer.status_code, answer.json()["sending_paused_at"], answer.json()["sending_paused_reason"]) == (
        200,
        None,
        None,
    )
    assert again.json() == answer.json()
    assert AuditRecord.objects.filter(action="mailbox.sending_resumed").count() == 1
    clock.shift(timedelta(minutes=1))
    # A late bounce of what was sent before the pause.
    settle_recipients(old[0].pk, {"bounced0@customer.example": Settlement(RecipientState.BOUNCED, "smtp")})
    assert queue(box, "ada@customer.example").status == "queued"
    settled(box, "bounced", 4)
    assert check_bounces(box.pk) is False
    settled(box, "bounced", 1)
    assert check_bounces(box.pk) is True


def test_a_mailbox_that_is_gone_is_left_alone(box: Mailbox) -> None:
    settled(box, "bounced", 5)
    Mailbox.objects.filter(pk=box.pk).update(deleted_at=now())

    assert check_bounces(box.pk) is False
    assert not PlatformMail.objects.exists()


def test_the_look_costs_the_same_whatever_was_sent(box: Mailbox, django_assert_num_queries: Any) -> None:
    settled(box, "delivered", 3)
    with django_assert_num_queries(5):
        check_bounces(box.pk)
    settled(box, "delivered", 20)

    with django_assert_num_queries(5):
        check_bounces(box.pk)


def test_sending_costs_no_query_more_for_it(box: Mailbox) -> None:
    """The pause is read with the mailbox that a send locks anyway."""
    assert box.identity is not None
    client = agent_client(box.identity)
    path = f"/mail/mailboxes/{box.email_address}/messages"
    body = {"recipients": {"to": ["ada@customer.example"]}, "subject": "x"}
    client.post(path, body)
    usual = cost(client, "POST", path, body, 201)
    settled(box, "bounced", 5)
    check_bounces(box.pk)

    assert cost(client, "POST", path, body, 403) < usual
