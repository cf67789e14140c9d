"""Sending: local delivery, transports, retries, crashes, settlement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import time_machine

from common.clock import now
from common.errors import Invalid, NotBuilt
from identities.enums import FilterMode, IdentityStatus
from identities.errors import IdentityPaused
from mail import limits
from mail.enums import AttemptOutcome, Direction, MessageStatus, RecipientState
from mail.errors import RecipientBlocked, StorageLimitExceeded, UnclaimedRecipient
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SandboxMail, SendAttempt, Thread
from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult
from mail.services import sending
from mail.services.sending import send_due, send_message
from tests.factories.identities import agent, organization, unclaimed_agent
from tests.factories.mail import mailbox_of, queue, receive
from webhooks.models import Event

pytestmark = pytest.mark.django_db


class FakeTransport:
    """Answers as told and remembers what it was asked."""

    name = "fake"

    def __init__(self, *answers: Outcome | Exception, hands_off: bool = True) -> None:
        self.answers = list(answers)
        self.envelopes: list[Envelope] = []
        self._hands_off = hands_off

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> Sequence[RecipientResult]:
        self.envelopes.append(envelope)
        answer = self.answers.pop(0)
        if self._hands_off:
            hand_off()
        if isinstance(answer, Exception):
            raise answer
        return [RecipientResult(a, answer, "text", "id-1") for a in envelope.recipients]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeTransport], FakeTransport]:
    """Make a transport the configured one."""

    def install(transport: FakeTransport) -> FakeTransport:
        monkeypatch.setattr(sending, "transport", lambda: transport)
        return transport

    return install


def events() -> list[str]:
    return list(Event.objects.order_by("created_at", "seq").values_list("event_type", flat=True))


def test_mail_to_a_mailbox_here_arrives_and_is_delivered() -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme, "alpha")), mailbox_of(agent(acme, "bravo"))
    message = queue(alpha, "Bravo@mail.localhost", subject="Grüße", body_text="Hallo.")
    assert message.status == MessageStatus.QUEUED

    send_message(message.pk)

    arrived = Message.objects.get(mailbox=bravo)
    assert (arrived.direction, arrived.subject, arrived.content.body_text) == (Direction.INBOUND, "Grüße", "Hallo.\n")
    assert arrived.message_id == message.message_id
    message.refresh_from_db()
    assert message.status == MessageStatus.DELIVERED
    assert OutboundJob.objects.get().is_open is False
    assert sorted(events()) == ["message.delivered", "message.received", "message.sent"]


def test_an_unknown_address_of_the_platform_domain_bounces() -> None:
    message = queue(mailbox_of(agent()), "nobody-here@mail.localhost")

    send_message(message.pk)

    message.refresh_from_db()
    assert message.status == MessageStatus.BOUNCED
    assert OutboundRecipient.objects.get().detail == "550 5.1.1 No mailbox with this address."


def test_other_recipients_go_to_the_sandbox() -> None:
    message = queue(mailbox_of(agent()), "ada@customer.example", bcc=["audit@customer.example"])

    send_message(message.pk)

    message.refresh_from_db()
    assert message.status == MessageStatus.SENT
    taken = SandboxMail.objects.get()
    assert sorted(taken.recipients) == ["ada@customer.example", "audit@customer.example"]
    assert b"audit@" not in bytes(taken.raw_inline or b"")
    assert events() == ["message.sent"]


def test_sending_twice_sends_once(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport(Outcome.ACCEPTED))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send_message(message.pk)
    send_message(message.pk)

    assert len(fake.envelopes) == 1
    message.refresh_from_db()
    assert message.provider_message_id == "id-1"


def test_a_refusal_bounces(use: Callable[[FakeTransport], FakeTransport]) -> None:
    use(FakeTransport(Outcome.REFUSED))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send_message(message.pk)

    message.refresh_from_db()
    assert message.status == MessageStatus.BOUNCED
    assert events() == ["message.sent", "message.bounced"]


def test_a_deferral_is_tried_again_on_schedule_until_it_fails(use: Callable[[FakeTransport], FakeTransport]) -> None:
    tries = len(limits.RETRY_DELAYS) + 1
    fake = use(FakeTransport(*[Outcome.DEFERRED] * tries))
    message = queue(mailbox_of(agent()), "ada@customer.example")
    moment = now()

    with time_machine.travel(moment, tick=False) as clock:
        for delay in (*limits.RETRY_DELAYS, timedelta(0)):
            send_message(message.pk)
            send_message(message.pk)
            clock.shift(delay)

    assert len(fake.envelopes) == tries
    message.refresh_from_db()
    assert message.status == MessageStatus.FAILED
    assert events() == ["message.failed"]
    assert OutboundJob.objects.get().is_open is False


def test_an_unknown_outcome_is_never_sent_again(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport(OutcomeUnknown("lost")))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send_message(message.pk)
    OutboundJob.objects.update(due_at=now(), leased_until=None, is_open=True)
    send_message(message.pk)

    assert len(fake.envelopes) == 1
    assert OutboundRecipient.objects.get().state == RecipientState.UNCERTAIN
    assert SendAttempt.objects.get().outcome == AttemptOutcome.UNCERTAIN
    message.refresh_from_db()
    assert message.status == MessageStatus.QUEUED
    assert events() == []


def test_a_transport_that_breaks_before_the_hand_over_is_tried_again(
    use: Callable[[FakeTransport], FakeTransport],
) -> None:
    fake = use(FakeTransport(RuntimeError("bug"), Outcome.ACCEPTED, hands_off=False))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send_message(message.pk)
    OutboundJob.objects.update(due_at=now())
    send_message(message.pk)

    assert len(fake.envelopes) == 2
    message.refresh_from_db()
    assert message.status == MessageStatus.SENT


@pytest.mark.parametrize(
    ("handed_off", "state", "calls"), [(False, RecipientState.SENT, 1), (True, RecipientState.UNCERTAIN, 0)]
)
def test_a_worker_that_died_leaves_a_retry_or_uncertainty(
    use: Callable[[FakeTransport], FakeTransport], handed_off: bool, state: RecipientState, calls: int
) -> None:
    fake = use(FakeTransport(Outcome.ACCEPTED))
    message = queue(mailbox_of(agent()), "ada@customer.example")
    OutboundJob.objects.update(leased_until=now() - timedelta(seconds=1), attempts=1)
    SendAttempt.objects.create(
        message=message,
        transport="fake",
        addresses=["ada@customer.example"],
        handed_off_at=now() if handed_off else None,
    )

    send_message(message.pk)

    assert OutboundRecipient.objects.get().state == state
    assert len(fake.envelopes) == calls
    assert OutboundJob.objects.get().is_open is False


def test_a_leased_job_is_left_alone(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport())
    message = queue(mailbox_of(agent()), "ada@customer.example")
    OutboundJob.objects.update(leased_until=now() + timedelta(minutes=1))

    send_message(message.pk)

    assert fake.envelopes == []
    assert send_due() == 0


def test_a_reply_threads_on_both_ends() -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    first = queue(alpha, bravo.email_address)
    send_message(first.pk)
    received = Message.objects.get(mailbox=bravo)

    answer = queue(bravo, alpha.email_address, in_reply_to_message_id=str(received.pk), subject="Re: Hello")
    send_message(answer.pk)

    assert answer.thread_id == received.thread_id
    assert answer.in_reply_to == first.message_id
    assert answer.references == [first.message_id]
    back = Message.objects.get(mailbox=alpha, direction=Direction.INBOUND)
    assert back.thread_id == first.thread_id
    assert Thread.objects.get(pk=first.thread_id).message_count == 2


def test_an_unknown_message_id_is_only_a_header() -> None:
    box = mailbox_of(agent())

    message = queue(box, "ada@customer.example", in_reply_to_message_id="gone@x.example")

    assert message.in_reply_to == "<gone@x.example>"
    assert message.references == ["<gone@x.example>"]


def test_permissions_are_checked_before_anything_is_written() -> None:
    paused = mailbox_of(agent(status=IdentityStatus.PAUSED.value))
    closed = mailbox_of(agent(mail_outbound_filter_mode=FilterMode.WHITELIST.value))
    new = mailbox_of(unclaimed_agent(human_email="Human@example.com"))
    full = mailbox_of(agent())
    Mailbox.objects.filter(pk=full.pk).update(storage_limit_bytes=10)

    with pytest.raises(IdentityPaused):
        queue(paused, "ada@customer.example")
    with pytest.raises(RecipientBlocked) as blocked:
        queue(closed, "ada@customer.example")
    with pytest.raises(UnclaimedRecipient):
        queue(new, "ada@customer.example")
    with pytest.raises(StorageLimitExceeded):
        queue(full, "ada@customer.example")

    assert blocked.value.fields["address"] == "ada@customer.example"
    assert not Message.objects.exists()
    assert not OutboundJob.objects.exists()
    assert queue(new, "human@EXAMPLE.com").status == MessageStatus.QUEUED


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"to": "no-at-sign"}, ("body", "recipients", "to", 0)),
        ({"to": "a@b.example\r\nBcc: x@y.example"}, ("body", "recipients", "to", 0)),
        ({"cc": ["@x.example"]}, ("body", "recipients", "cc", 0)),
        ({"reply_to": "nope"}, ("body", "reply_to")),
        ({"bcc": [f"p{n}@x.example" for n in range(50)]}, ("body", "recipients")),
    ],
)
def test_bad_recipients_name_their_field(fields: dict[str, object], loc: tuple[object, ...]) -> None:
    box = mailbox_of(agent())
    values = {"to": "ada@customer.example", **fields}

    with pytest.raises(Invalid) as refusal:
        queue(box, str(values.pop("to")), **values)

    assert refusal.value.loc == loc
    assert not Message.objects.exists()


def test_one_address_gets_one_copy() -> None:
    message = queue(mailbox_of(agent()), "ada@x.example", cc=["ADA@x.example"], bcc=["ada@x.example"])

    assert message.to_addresses == ["ada@x.example"]
    assert message.cc_addresses is None
    assert OutboundRecipient.objects.count() == 1


def test_open_tracking_is_refused_until_it_exists() -> None:
    with pytest.raises(NotBuilt):
        queue(mailbox_of(agent()), "ada@x.example", body_html="<p>x</p>", track_opens=True)


def test_storage_counts_sent_mail() -> None:
    box = mailbox_of(agent())

    message = queue(box, "ada@x.example")

    box.refresh_from_db()
    assert box.storage_used_bytes == message.size_bytes > 200


def test_receiving_works_while_paused() -> None:
    box = mailbox_of(agent(status=IdentityStatus.PAUSED.value))

    assert receive(box).status == MessageStatus.RECEIVED
