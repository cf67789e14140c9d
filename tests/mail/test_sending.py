"""Sending: local delivery, transports, retries, crashes, settlement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import time_machine

from common.clock import now
from common.errors import Invalid
from identities.enums import FilterMode, IdentityStatus
from identities.errors import IdentityPaused
from mail import limits
from mail.enums import AttemptOutcome, Direction, MessageStatus, RecipientState
from mail.errors import RecipientBlocked, StorageLimitExceeded, UnclaimedRecipient
from mail.models import Mailbox, Message, OutboundJob, OutboundRecipient, SandboxMail, SendAttempt, Thread
from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult
from mail.selectors import oldest_stuck_job
from mail.services import relaying
from mail.services.jobs import wake_due_jobs
from mail.services.relaying import relay_message
from mail.services.sending import send_message
from tests.factories.identities import agent, organization, unclaimed_agent
from tests.factories.mail import mailbox_of, queue, receive, send
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
        monkeypatch.setattr(relaying, "transport", lambda: transport)
        return transport

    return install


def events() -> list[str]:
    return list(Event.objects.order_by("created_at", "seq").values_list("event_type", flat=True))


def test_mail_to_a_mailbox_here_arrives_and_is_delivered() -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme, "alpha")), mailbox_of(agent(acme, "bravo"))
    message = queue(alpha, "Bravo@mail.localhost", subject="Grüße", body_text="Hallo.")
    assert message.status == MessageStatus.QUEUED

    send(message)

    arrived = Message.objects.get(mailbox=bravo)
    assert (arrived.direction, arrived.subject, arrived.content.body_text) == (Direction.INBOUND, "Grüße", "Hallo.\n")
    assert arrived.message_id == message.message_id
    message.refresh_from_db()
    assert message.status == MessageStatus.DELIVERED
    assert OutboundJob.objects.get().is_open is False
    assert sorted(events()) == ["message.delivered", "message.received", "message.sent"]


def test_an_unknown_address_of_the_platform_domain_bounces() -> None:
    message = queue(mailbox_of(agent()), "nobody-here@mail.localhost")

    send(message)

    message.refresh_from_db()
    assert message.status == MessageStatus.BOUNCED
    assert OutboundRecipient.objects.get().detail == "550 5.1.1 No mailbox with this address."


def test_other_recipients_go_to_the_sandbox() -> None:
    message = queue(mailbox_of(agent()), "ada@customer.example", bcc=["audit@customer.example"])

    send(message)

    message.refresh_from_db()
    assert message.status == MessageStatus.SENT
    taken = SandboxMail.objects.get()
    assert sorted(taken.recipients) == ["ada@customer.example", "audit@customer.example"]
    assert b"audit@" not in bytes(taken.raw_inline or b"")
    assert events() == ["message.sent"]


def test_sending_twice_sends_once(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport(Outcome.ACCEPTED))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send(message)
    send(message)

    assert len(fake.envelopes) == 1
    message.refresh_from_db()
    assert message.provider_message_id == "id-1"


def test_a_refusal_bounces(use: Callable[[FakeTransport], FakeTransport]) -> None:
    use(FakeTransport(Outcome.REFUSED))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send(message)

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
            send(message)
            send(message)
            clock.shift(delay)

    assert len(fake.envelopes) == tries
    message.refresh_from_db()
    assert message.status == MessageStatus.FAILED
    assert events() == ["message.failed"]
    assert OutboundJob.objects.get().is_open is False


def test_an_unknown_outcome_is_never_sent_again(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport(OutcomeUnknown("lost")))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send(message)
    OutboundJob.objects.update(due_at=now(), leased_until=None, is_open=True)
    send(message)

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

    send(message)
    OutboundJob.objects.update(due_at=now())
    send(message)

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
    OutboundJob.objects.update(is_relaying=True, leased_until=now() - timedelta(seconds=1), attempts=1)
    SendAttempt.objects.create(
        message=message,
        transport="fake",
        addresses=["ada@customer.example"],
        handed_off_at=now() if handed_off else None,
    )

    send(message)

    assert OutboundRecipient.objects.get().state == state
    assert len(fake.envelopes) == calls
    assert OutboundJob.objects.get().is_open is False


def test_a_leased_job_is_left_alone(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport())
    message = queue(mailbox_of(agent()), "ada@customer.example")
    OutboundJob.objects.update(leased_until=now() + timedelta(minutes=1))

    send(message)

    assert fake.envelopes == []
    assert wake_due_jobs() == 0


def test_a_reply_threads_on_both_ends() -> None:
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    first = queue(alpha, bravo.email_address)
    send(first)
    received = Message.objects.get(mailbox=bravo)

    answer = queue(bravo, alpha.email_address, in_reply_to_message_id=str(received.pk), subject="Re: Hello")
    send(answer)

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


def test_storage_counts_sent_mail() -> None:
    box = mailbox_of(agent())

    message = queue(box, "ada@x.example")

    box.refresh_from_db()
    assert box.storage_used_bytes == message.size_bytes > 200


def test_receiving_works_while_paused() -> None:
    box = mailbox_of(agent(status=IdentityStatus.PAUSED.value))

    assert receive(box).status == MessageStatus.RECEIVED


def test_mail_between_agents_does_not_wait_for_a_relay(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport(Outcome.ACCEPTED))
    acme = organization()
    alpha, bravo = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    message = queue(alpha, "ada@customer.example", cc=[bravo.email_address])

    send_message(message.pk)

    assert Message.objects.filter(mailbox=bravo).count() == 1
    assert fake.envelopes == []
    job = OutboundJob.objects.get()
    assert (job.is_open, job.is_relaying, job.attempts, job.leased_until) == (True, True, 0, None)

    send_message(message.pk)
    relay_message(message.pk)

    assert [envelope.recipients for envelope in fake.envelopes] == [("ada@customer.example",)]
    assert Message.objects.filter(mailbox=bravo).count() == 1
    states = OutboundRecipient.objects.order_by("address").values_list("state", flat=True)
    assert sorted(states) == [RecipientState.DELIVERED, RecipientState.SENT]
    assert OutboundJob.objects.get().is_open is False


def test_a_message_is_not_relayed_before_its_local_stage(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport())
    message = queue(mailbox_of(agent()), "ada@customer.example")

    relay_message(message.pk)

    assert fake.envelopes == []
    assert OutboundJob.objects.get().attempts == 0


def test_the_sweep_wakes_each_stage_with_its_own_task(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[tuple[str, object]] = []
    monkeypatch.setattr("mail.services.jobs.nudge", lambda task, *args: woken.append((task, *args)))
    box = mailbox_of(agent())
    fresh, waiting = queue(box, "ada@customer.example"), queue(box, "ada@customer.example")
    OutboundJob.objects.filter(pk=waiting.pk).update(is_relaying=True)

    assert wake_due_jobs() == 2

    assert woken == [("mail.send_message", fresh.pk), ("mail.relay_message", waiting.pk)]


def test_a_relay_that_stood_in_a_backlog_wakes_the_next(
    use: Callable[[FakeTransport], FakeTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[str, object]] = []
    monkeypatch.setattr("mail.services.relaying.nudge", lambda task, *args: woken.append((task, *args)))
    use(FakeTransport(Outcome.ACCEPTED, Outcome.ACCEPTED))
    box = mailbox_of(agent())
    late, later, prompt = (queue(box, "ada@customer.example") for _ in range(3))
    OutboundJob.objects.update(is_relaying=True)
    OutboundJob.objects.filter(pk=late.pk).update(due_at=now() - timedelta(minutes=3))
    OutboundJob.objects.filter(pk=later.pk).update(due_at=now() - timedelta(minutes=2))

    relay_message(prompt.pk)
    assert woken == []
    relay_message(late.pk)

    assert woken == [("mail.relay_message", later.pk)]


def test_mail_that_waits_for_a_free_relay_thread_is_not_stuck() -> None:
    box = mailbox_of(agent())
    waiting, working = queue(box, "ada@customer.example"), queue(box, "ada@customer.example")
    hour_ago = now() - timedelta(hours=1)
    assert oldest_stuck_job() == OutboundJob.objects.order_by("due_at").values_list("due_at", flat=True).first()

    OutboundJob.objects.update(is_relaying=True, due_at=hour_ago)
    assert oldest_stuck_job() == hour_ago

    OutboundJob.objects.filter(pk=working.pk).update(leased_until=now() + timedelta(minutes=5))
    assert oldest_stuck_job() is None

    # Between two calls nothing is leased; the queue has moved all the same.
    OutboundJob.objects.filter(pk=working.pk).update(leased_until=None)
    last = SendAttempt.objects.create(message=working, transport="fake", addresses=[])
    assert oldest_stuck_job() == last.started_at

    # Local mail is never allowed to wait, however busy the relays are.
    OutboundJob.objects.filter(pk=working.pk).update(leased_until=now() + timedelta(minutes=5))
    OutboundJob.objects.filter(pk=waiting.pk).update(is_relaying=False)
    assert oldest_stuck_job() == hour_ago


def test_a_turn_that_did_not_come_is_no_try(use: Callable[[FakeTransport], FakeTransport]) -> None:
    fake = use(FakeTransport(Outcome.NOT_TRIED, Outcome.ACCEPTED, hands_off=False))
    message = queue(mailbox_of(agent()), "ada@customer.example")

    send(message)

    job = OutboundJob.objects.get()
    assert (job.is_open, job.attempts, job.leased_until) == (True, 0, None)
    assert limits.NOT_TRIED_DELAY - timedelta(seconds=5) < job.due_at - now() <= 2 * limits.NOT_TRIED_DELAY
    assert not SendAttempt.objects.exists()
    OutboundJob.objects.update(due_at=now())
    relay_message(message.pk)
    assert len(fake.envelopes) == 2
    assert OutboundRecipient.objects.get().state == RecipientState.SENT
