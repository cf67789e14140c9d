"""Mail of the server itself."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes
from typing import Any
from uuid import UUID

import pytest
from django.core.mail import EmailMultiAlternatives, send_mail
from django.db import transaction

from common.clock import now
from mail import limits
from mail.models import Message, PlatformMail, SandboxMail
from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult
from mail.services import platform_mail
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of

pytestmark = pytest.mark.django_db(transaction=True)


class Carrier:
    """A transport that answers as it is told."""

    name = "test"

    def __init__(self, answer: Outcome | Exception) -> None:
        self.answer = answer
        self.sent: list[Envelope] = []

    def send(self, envelope: Envelope, hand_off: Any) -> list[RecipientResult]:
        self.sent.append(envelope)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [RecipientResult(envelope.recipients[0], self.answer, "said so")]


def carry(monkeypatch: pytest.MonkeyPatch, answer: Outcome | Exception) -> Carrier:
    carrier = Carrier(answer)
    monkeypatch.setattr(platform_mail, "transport", lambda: carrier)
    return carrier


def queued() -> UUID:
    send_mail("Hello", "Your code is 123456.", None, ["ada@human.example"])
    return PlatformMail.objects.get().pk


def test_the_sandbox_keeps_it_and_the_row_forgets_it() -> None:
    mail = EmailMultiAlternatives("Grüße", "Text", to=["Ada <ada@human.example>", "bob@human.example"])
    mail.attach_alternative("<p>Text</p>", "text/html")
    mail.send()

    for row in PlatformMail.objects.all():
        platform_mail.send_platform_mail(row.pk)
        platform_mail.send_platform_mail(row.pk)

    assert sorted(SandboxMail.objects.values_list("subject", "recipients")) == [
        ("Grüße", ["ada@human.example"]),
        ("Grüße", ["bob@human.example"]),
    ]
    assert set(PlatformMail.objects.values_list("state", "raw", "attempts")) == {("sent", None, 1)}


def test_it_is_part_of_the_transaction_that_caused_it() -> None:
    with transaction.atomic():
        queued()
        transaction.set_rollback(True)

    assert not PlatformMail.objects.exists()


def test_a_mailbox_of_this_server_gets_it_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = carry(monkeypatch, Outcome.ACCEPTED)
    box = mailbox_of(agent(handle="helper"))
    send_mail("Hello", "Text", None, ["Helper@mail.localhost", "nobody@mail.localhost"])

    for row in PlatformMail.objects.all():
        platform_mail.send_platform_mail(row.pk)

    assert Message.objects.get().mailbox_id == box.pk
    assert dict(PlatformMail.objects.values_list("recipient", "state")) == {
        "Helper@mail.localhost": "sent",
        "nobody@mail.localhost": "failed",
    }
    assert carrier.sent == []


@pytest.mark.parametrize("answer", [Outcome.DEFERRED, OutcomeUnknown("broke"), RuntimeError("bug")])
def test_what_did_not_leave_is_tried_again_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch, answer: Outcome | Exception
) -> None:
    carrier = carry(monkeypatch, answer)
    pk = queued()

    platform_mail.send_platform_mail(pk)

    row = PlatformMail.objects.get()
    assert (row.state, row.attempts, row.leased_until) == ("queued", 1, None)
    assert timedelta(0) < row.due_at - now() <= limits.RETRY_DELAYS[0]
    assert platform_mail.wake_due_platform_mail() == 0
    for _ in limits.RETRY_DELAYS:
        PlatformMail.objects.update(due_at=now())
        assert platform_mail.wake_due_platform_mail() == 1
        platform_mail.send_platform_mail(pk)
    row.refresh_from_db()
    assert (row.state, row.raw) == ("failed", None)
    assert len(carrier.sent) == len(limits.RETRY_DELAYS) + 1


def test_a_refusal_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = carry(monkeypatch, Outcome.REFUSED)
    pk = queued()

    platform_mail.send_platform_mail(pk)
    platform_mail.send_platform_mail(pk)

    assert PlatformMail.objects.get().state == "failed"
    assert len(carrier.sent) == 1
    assert message_from_bytes(carrier.sent[0].content)["Subject"] == "Hello"


def test_the_mail_of_a_dead_worker_is_sent_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = carry(monkeypatch, Outcome.ACCEPTED)
    pk = queued()
    PlatformMail.objects.update(leased_until=now() + timedelta(minutes=9), attempts=1)

    platform_mail.send_platform_mail(pk)
    assert carrier.sent == []
    assert platform_mail.release_platform_leases() == 1
    platform_mail.send_platform_mail(pk)

    assert len(carrier.sent) == 1


def test_old_rows_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    carry(monkeypatch, Outcome.ACCEPTED)
    platform_mail.send_platform_mail(queued())
    PlatformMail.objects.update(finished_at=now() - limits.PLATFORM_MAIL_RETENTION - timedelta(seconds=1))

    assert platform_mail.purge_platform_mail() == 1


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="not an email address"):
        send_mail("Hello", "Text", None, ["not an address"])
    assert not PlatformMail.objects.exists()
