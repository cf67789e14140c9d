"""The sandbox keeps every envelope once."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import transaction

from common import blobs
from mail import limits
from mail.models import Mailbox, Message, SandboxMail, Thread
from mail.providers.base import Envelope, Outcome
from mail.providers.sandbox import SandboxTransport
from tests.mail.test_providers_smtp import HandOff, envelope, outcomes

pytestmark = pytest.mark.django_db
CONTENT = b"From: bot@mail.test\r\nTo: ann@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"
ANN, BOB = "ann@example.org", "bob@example.org"


def test_an_envelope_is_kept_with_its_message() -> None:
    from common.clock import now
    from identities.models import Organization

    organization = Organization.objects.create(name="Org")
    mailbox = Mailbox.objects.create(organization=organization, email_address="bot@mail.test")
    thread = Thread.objects.create(mailbox=mailbox, last_message_at=now())
    message = Message.objects.create(
        mailbox=mailbox, thread=thread, direction="outbound", status="queued", message_id="<m@mail.test>"
    )
    hand_off = HandOff()

    results = SandboxTransport().send(
        Envelope(message.pk, organization.pk, "bot@mail.test", (ANN, BOB), CONTENT), hand_off
    )

    row = SandboxMail.objects.get()
    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.ACCEPTED}
    assert results[0].provider_id == str(row.pk)
    assert (row.message, row.organization_id, row.envelope_from) == (message, organization.pk, "bot@mail.test")
    assert (row.recipients, row.subject, row.size_bytes) == ([ANN, BOB], "Grüße", len(CONTENT))
    assert bytes(row.raw_inline or b"") == CONTENT
    assert row.raw_key is None
    assert hand_off.calls == 1


def test_the_same_envelope_again_adds_nothing() -> None:
    SandboxTransport().send(envelope(ANN, BOB, content=CONTENT), HandOff())
    again = SandboxTransport().send(envelope(BOB, ANN, content=CONTENT), HandOff())

    assert SandboxMail.objects.count() == 1
    assert outcomes(again) == {BOB: Outcome.ACCEPTED, ANN: Outcome.ACCEPTED}


def test_other_recipients_or_another_message_are_other_mail() -> None:
    SandboxTransport().send(envelope(ANN, content=CONTENT), HandOff())
    SandboxTransport().send(envelope(BOB, content=CONTENT), HandOff())
    SandboxTransport().send(Envelope(uuid4(), "org_1", "bot@mail.test", (ANN,), CONTENT), HandOff())

    assert SandboxMail.objects.count() == 3
    assert SandboxMail.objects.filter(message__isnull=False).count() == 0


def test_large_mail_is_a_blob() -> None:
    large = CONTENT + b"x" * limits.INLINE_RAW_BYTES

    SandboxTransport().send(envelope(ANN, content=large), HandOff())

    row = SandboxMail.objects.get()
    assert row.raw_inline is None
    assert blobs.store().get(row.raw_key or "") == large


def test_unreadable_mail_is_kept_too() -> None:
    SandboxTransport().send(envelope(ANN, content=b"\xff\x00" + b"X: y\r\n" * 100_000), HandOff())

    assert SandboxMail.objects.get().subject == ""


def test_a_failing_hand_off_keeps_nothing() -> None:
    def broken() -> None:
        raise RuntimeError("database is gone")

    with pytest.raises(RuntimeError):
        SandboxTransport().send(envelope(ANN), broken)

    assert SandboxMail.objects.count() == 0


def test_it_refuses_to_run_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a database transaction"):
        SandboxTransport().send(envelope(ANN), HandOff())
