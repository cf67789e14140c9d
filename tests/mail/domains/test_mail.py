"""Mail of mailboxes on domains of their own: what is sent, signed, received and refused."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from common.clock import now
from identities.models import Organization
from mail.domain_states import SENDING, DomainStatus
from mail.domains import receiving_mailboxes
from mail.errors import SendingDomainNotVerified
from mail.ingress.server import SmtpServer
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SendAttempt, SendingDomain
from mail.providers.base import Envelope, Outcome, RecipientResult
from mail.selectors import receiving_mailbox_id
from mail.services import relaying
from mail.services.domain_checks import check_domain, domain_records
from mail.services.domain_keys import keys_of
from mail.services.relaying import envelope_sender
from mail.services.sending_domains import NewDomain, register_domain
from tests.factories.dns import FakeDns
from tests.factories.domains import sending_domain
from tests.factories.identities import admin_client, admin_principal, agent, organization
from tests.factories.mail import mailbox_of, queue, raw_mail, send

NAME = "mail.acme.org"
ELSEWHERE = "ada@customer.example"
pytestmark = pytest.mark.django_db
not_sending = pytest.mark.parametrize("status", [s for s in DomainStatus if s not in SENDING])


class Recorder:
    """A transport that accepts everything."""

    name = "recorder"

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> Sequence[RecipientResult]:
        self.envelopes.append(envelope)
        hand_off()
        return [RecipientResult(address, Outcome.ACCEPTED, "", "id") for address in envelope.recipients]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    carrier = Recorder()
    monkeypatch.setattr(relaying, "transport", lambda: carrier)
    return carrier


def _box(of: Organization | None = None, **fields: Any) -> tuple[Mailbox, SendingDomain]:
    of = of or organization()
    row = sending_domain(of, NAME, is_default=True, **fields)
    return mailbox_of(agent(of, "billing-bot")), row


def _set(row: SendingDomain, **fields: Any) -> None:
    SendingDomain.objects.filter(pk=row.pk).update(**fields)


def test_mail_of_a_verified_domain_is_signed_with_both_keys(recorder: Recorder) -> None:
    acme = organization()
    row = register_domain(admin_principal(acme), NewDomain(NAME)).row
    for record in domain_records(row, keys_of(row)):
        FakeDns.publish(record.name, record.type, record.value)
    check_domain(row.pk)
    _set(row, is_default=True)
    box = mailbox_of(agent(acme, "billing-bot"))

    send(queue(box, ELSEWHERE))

    [envelope] = recorder.envelopes
    assert box.email_address == f"billing-bot@{NAME}"
    assert envelope.sender == f"billing-bot@bounces.{NAME}"
    assert envelope.content.count(b"DKIM-Signature:") == 2
    assert envelope.content.count(f"d={NAME}".encode()) == 2
    assert f"@{NAME}>".encode() in envelope.content


def test_without_a_return_path_bounces_come_to_the_mailbox() -> None:
    box, row = _box()

    assert envelope_sender(box) == f"billing-bot@{NAME}"
    _set(row, has_return_path=True)
    assert envelope_sender(box) == f"billing-bot@bounces.{NAME}"
    assert envelope_sender(mailbox_of(agent(handle="plain"))) == "plain@mail.localhost"


@not_sending
def test_sending_from_a_domain_that_is_not_verified_is_refused(status: DomainStatus) -> None:
    acme = organization()
    box, row = _box(acme)
    _set(row, status=status.value, failure_reason="The SPF record is gone.")

    body = {"recipients": {"to": [ELSEWHERE]}, "subject": "x"}
    answer = admin_client(acme).post(f"/mail/mailboxes/{box.email_address}/messages", body)

    assert answer.status_code == 409
    detail = answer.json()["detail"]
    assert (detail["error"], detail["domain"], detail["status"]) == ("sending_domain_not_verified", NAME, status.value)
    assert "The SPF record is gone." in detail["message"]
    assert not Message.objects.exists()
    assert not OutboundJob.objects.exists()


def test_sending_goes_on_during_a_rotation(recorder: Recorder) -> None:
    box, row = _box()
    _set(row, status="pending_dkim_rotation")

    send(queue(box, ELSEWHERE))

    assert len(recorder.envelopes) == 1


def test_mail_that_was_accepted_waits_while_the_domain_is_degraded(recorder: Recorder) -> None:
    with time_machine.travel("2026-03-01T12:00:00+00:00", tick=False) as clock:
        box, row = _box()
        message = queue(box, ELSEWHERE)
        _set(row, status="degraded")

        send(message)

        job = OutboundJob.objects.get()
        assert (job.is_open, job.due_at) == (True, now() + timedelta(minutes=1))
        assert OutboundRecipient.objects.get().state == "pending"
        assert recorder.envelopes == []
        assert not SendAttempt.objects.exists()
        _set(row, status="verified")
        clock.shift(timedelta(minutes=1))
        relaying.relay_message(message.pk)

    assert [envelope.recipients for envelope in recorder.envelopes] == [(ELSEWHERE,)]
    message.refresh_from_db()
    assert message.status == "sent"


@pytest.mark.parametrize("status", list(DomainStatus))
def test_who_receives(status: DomainStatus) -> None:
    box, row = _box()
    receives = status.value in ("verified", "degraded", "pending_dkim_rotation", "pending_deletion")
    _set(row, status=status.value)

    assert receiving_mailbox_id(f"Billing-Bot@{NAME.upper()}") == (box.pk if receives else None)
    assert receiving_mailbox_id(f"billing-bot@bounces.{NAME}") == (box.pk if receives else None)
    assert receiving_mailbox_id(f"nobody@{NAME}") is None
    assert receiving_mailbox_id(f"billing-bot@other.{NAME}") is None


def test_a_mailbox_of_a_former_holder_receives_nothing() -> None:
    box, row = _box()
    _set(row, status="failed", is_owned=False)
    sending_domain(organization(), NAME)

    assert receiving_mailbox_id(box.email_address) is None
    with pytest.raises(SendingDomainNotVerified):
        queue(box, ELSEWHERE)


def test_addresses_of_all_kinds_at_once() -> None:
    acme = organization()
    box, _ = _box(acme)
    plain = mailbox_of(agent(acme, "plain-bot", mailbox=None)).email_address
    idn = sending_domain(acme, "xn--bcher-kva.example.org")
    SendingDomain.objects.filter(is_default=True).update(is_default=False)
    SendingDomain.objects.filter(pk=idn.pk).update(is_default=True)
    german = mailbox_of(agent(acme, "german-bot"))

    found = receiving_mailboxes(
        [
            f"billing-bot@{NAME}",
            plain,
            "german-bot@bücher.example.org",
            "x@elsewhere.example",
            "no-at-sign",
            "a\x00@b",
            "",
        ]
    )

    assert set(found) == {f"billing-bot@{NAME}", plain, "german-bot@bücher.example.org"}
    assert found[f"billing-bot@{NAME}"] == box.pk
    assert found["german-bot@bücher.example.org"] == german.pk


def test_mail_between_mailboxes_here_never_leaves(recorder: Recorder) -> None:
    box, row = _box()
    other = mailbox_of(agent(handle="plain-bot"))

    to_domain, unknown = queue(other, box.email_address), queue(other, f"nobody@{NAME}")
    send(to_domain)
    send(unknown)

    assert recorder.envelopes == []
    assert Message.objects.filter(mailbox=box, direction="inbound").count() == 1
    unknown.refresh_from_db()
    assert unknown.status == "bounced"
    _set(row, is_receiving=False)
    send(queue(other, f"colleague@{NAME}"))
    assert [envelope.recipients for envelope in recorder.envelopes] == [(f"colleague@{NAME}",)]


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    server = SmtpServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop(5)


@pytest.mark.django_db(transaction=True)
def test_the_smtp_door_takes_mail_for_a_verified_domain(smtp: SmtpServer) -> None:
    box, _ = _box()
    with smtplib.SMTP(*smtp.address, timeout=20) as client:
        client.ehlo()
        client.mail(ELSEWHERE)
        assert client.rcpt(f"nobody@{NAME}") == (550, b"5.1.1 No mailbox with this address.")
        assert client.rcpt("billing-bot@unverified.acme.org") == (550, b"5.1.1 No mailbox with this address.")
        client.rset()
        client.sendmail(ELSEWHERE, [box.email_address], raw_mail(box.email_address))
        client.sendmail("", [f"billing-bot@bounces.{NAME}"], raw_mail(box.email_address))

    assert Message.objects.filter(mailbox=box).count() == 2
