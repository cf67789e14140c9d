"""Mail of an organization that its operator has stopped, and the limits that its operator set."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import NotReady
from identities.enums import ClaimStatus
from identities.services.suspension import change_allowances, resume_organization, suspend_organization
from mail.enums import RecipientState
from mail.ingress.server import SmtpServer
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SandboxMail, SendAttempt
from mail.quotas import UNLIMITED, send_restrictions
from mail.selectors import oldest_stuck_job
from mail.services.arrivals import Arrival, accept_arrival
from mail.services.jobs import due_jobs, wake_due_jobs
from tests.factories.identities import admin_client, agent, agent_client, organization, unclaimed_agent
from tests.factories.mail import mailbox_of, queue, raw_mail, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


def test_what_is_queued_waits_and_leaves_when_the_organization_goes_on(box: Mailbox) -> None:
    message = queue(box, "ada@customer.example")
    suspend_organization(box.organization_id, "Spam")

    send(message)

    assert not SandboxMail.objects.exists()
    assert not SendAttempt.objects.exists()
    assert due_jobs(is_relaying=False, limit=10) == []
    # Nobody is to be woken at night by what an operator wanted.
    assert oldest_stuck_job() is None or oldest_stuck_job() > OutboundJob.objects.get().created_at  # type: ignore[operator]

    resume_organization(box.organization_id)
    assert wake_due_jobs() == 1
    send(message)

    assert SandboxMail.objects.count() == 1
    assert OutboundRecipient.objects.get().state == RecipientState.SENT


def test_what_waits_for_its_relay_waits_too(box: Mailbox) -> None:
    from mail.services.relaying import relay_message
    from mail.services.sending import send_message

    message = queue(box, "ada@customer.example")
    send_message(message.pk)
    suspend_organization(box.organization_id, "")

    relay_message(message.pk)
    assert not SandboxMail.objects.exists()

    resume_organization(box.organization_id)
    relay_message(message.pk)
    assert SandboxMail.objects.count() == 1


def test_what_is_queued_behind_the_suspension_is_put_aside(box: Mailbox) -> None:
    suspend_organization(box.organization_id, "")
    message = queue(box, "ada@customer.example")

    send(message)

    assert not SandboxMail.objects.exists()
    assert due_jobs(is_relaying=False, limit=10) == []


def test_mail_of_others_goes_on(box: Mailbox) -> None:
    other = mailbox_of(agent(organization(), "other-bot"))
    suspend_organization(box.organization_id, "")

    send(queue(other, "ada@customer.example"))

    assert SandboxMail.objects.count() == 1


def test_a_sender_on_this_server_is_told_at_once(box: Mailbox) -> None:
    other = mailbox_of(agent(organization(), "other-bot"))
    suspend_organization(box.organization_id, "")

    send(queue(other, box.email_address))

    recipient = OutboundRecipient.objects.get()
    assert (recipient.state, recipient.detail) == (
        RecipientState.BOUNCED,
        "550 5.2.1 The organization of this mailbox is suspended.",
    )
    assert not Message.objects.filter(mailbox=box).exists()


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    server = SmtpServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop(5)


def test_other_servers_keep_their_mail_until_the_organization_goes_on(smtp: SmtpServer, box: Mailbox) -> None:
    raw = raw_mail(box.email_address)
    suspend_organization(box.organization_id, "")
    with smtplib.SMTP(*smtp.address, timeout=20) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("ada@customer.example", box.email_address, raw)
        assert refused.value.recipients[box.email_address][0] == 450
        assert not Message.objects.exists()

        resume_organization(box.organization_id)
        client.sendmail("ada@customer.example", box.email_address, raw)
    assert Message.objects.count() == 1


def test_a_provider_is_asked_to_come_again(box: Mailbox) -> None:
    raw = raw_mail(box.email_address)
    suspend_organization(box.organization_id, "")

    with pytest.raises(NotReady):
        accept_arrival(raw, "ada@customer.example", [box.email_address])
    assert not Message.objects.exists()

    resume_organization(box.organization_id)
    assert accept_arrival(raw, "ada@customer.example", [box.email_address]) is Arrival.ACCEPTED


@pytest.mark.parametrize("kind", ["claimed", "unclaimed"])
def test_the_operators_send_limit_goes_before_that_of_the_server(kind: str, settings: Any) -> None:
    settings.CLAIMED_SENDS_PER_DAY = settings.UNCLAIMED_SENDS_PER_DAY = 5
    human = "human@example.com"
    made = agent(handle="a-bot") if kind == "claimed" else unclaimed_agent(handle="a-bot", human_email=human)
    assert (made.claim_status == ClaimStatus.CLAIMED) is (kind == "claimed")
    client, mine = agent_client(made), mailbox_of(made).email_address

    def post() -> int:
        body = {"recipients": {"to": [human]}, "subject": "Hello"}
        return client.post(f"/mail/mailboxes/{mine}/messages", body).status_code

    change_allowances(made.organization_id, {f"max_{kind}_sends": 1})
    assert [post(), post()] == [201, 429]
    assert send_restrictions(made).max_sends_per_day == 1

    other = "unclaimed" if kind == "claimed" else "claimed"
    change_allowances(made.organization_id, {f"max_{kind}_sends": None, f"max_{other}_sends": 1})
    assert [post() for _ in range(5)] == [201, 201, 201, 201, 429]

    change_allowances(made.organization_id, {f"max_{kind}_sends": 0})
    assert post() == 201
    assert send_restrictions(made).max_sends_per_day == UNLIMITED


def test_the_number_of_domains_is_obeyed() -> None:
    acme = organization()
    client = admin_client(acme)
    change_allowances(acme.pk, {"max_sending_domains": 0})

    refused = client.post("/domains", {"domain": "acme.example"})

    assert refused.status_code == 402
    assert "at most 0 sending domains" in str(refused.json()["detail"])
