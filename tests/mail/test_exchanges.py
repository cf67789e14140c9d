"""Brakes between agents, and mail that programs send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from common.clock import now
from identities.enums import Role
from identities.models import User
from mail import limits
from mail.enums import Direction
from mail.errors import AutomaticReplyRefused, ExchangePaused
from mail.models import Exchange, Mailbox, Message, Thread
from mail.raw import load_raw
from mail.services.arrivals import Arrival, accept_arrival
from mail.services.exchanges import end_pauses, purge_exchanges
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of, queue, raw_mail, receive, send
from tests.identities.rows import all_rows
from tests.mail.test_api_budgets import cost

pytestmark = pytest.mark.django_db

START = "2026-05-04T10:00:00Z"


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as travel:
        yield travel


@pytest.fixture(autouse=True)
def _budgets(settings: Settings) -> None:
    settings.AGENT_THREAD_MESSAGES = 6
    settings.AGENT_PAIR_MESSAGES = 10


@pytest.fixture
def pair() -> tuple[Mailbox, Mailbox]:
    acme = organization()
    return mailbox_of(agent(acme, "alpha")), mailbox_of(agent(acme, "bravo"))


def write(sender: Mailbox, to: Mailbox, clock: Any, **fields: Any) -> Message:
    """A message that arrives at once; a second passes."""
    clock.shift(timedelta(seconds=1))
    message = queue(sender, to.email_address, **fields)
    send(message)
    return message


def newest_in(box: Mailbox) -> Message:
    return Message.objects.filter(mailbox=box, direction=Direction.INBOUND).latest("created_at")


def loop(first: Mailbox, second: Mailbox, clock: Any, messages: int) -> None:
    """Two agents that answer each other in one thread."""
    write(first, second, clock)
    boxes = (first, second)
    for number in range(1, messages):
        answering, asking = boxes[number % 2], boxes[(number + 1) % 2]
        write(answering, asking, clock, in_reply_to_message_id=str(newest_in(answering).pk))


def test_a_loop_in_a_thread_is_paused_with_its_reason(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    loop(alpha, bravo, clock, 6)
    thread = Thread.objects.get(mailbox=bravo)
    assert thread.paused_until == now() + limits.EXCHANGE_PAUSE
    reason = "6 messages went back and forth in this thread within 10 minutes."
    assert thread.paused_reason == reason
    # The sixth was bravo's; alpha may say one more, and is held after that.
    before = all_rows()

    with pytest.raises(ExchangePaused) as refusal:
        queue(bravo, alpha.email_address, in_reply_to_message_id=str(newest_in(bravo).pk))

    assert all_rows() == before
    assert (refusal.value.status, refusal.value.retry_after) == (429, 900)
    assert refusal.value.detail["error"] == "exchange_paused"
    assert refusal.value.fields == {"reason": reason, "paused_until": "2026-05-04T10:15:06+00:00"}
    write(alpha, bravo, clock, in_reply_to_message_id=str(newest_in(alpha).pk))
    with pytest.raises(ExchangePaused):
        queue(alpha, bravo.email_address, in_reply_to_message_id=str(newest_in(alpha).pk))


def test_people_in_a_paused_thread_can_still_be_written_to(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    loop(alpha, bravo, clock, 6)

    message = queue(bravo, "human@customer.example", in_reply_to_message_id=str(newest_in(bravo).pk))

    assert message.thread.pk == Thread.objects.get(mailbox=bravo).pk


def test_a_pause_ends_by_itself(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    loop(alpha, bravo, clock, 6)
    assert end_pauses() == 0

    clock.shift(limits.EXCHANGE_PAUSE)

    write(bravo, alpha, clock, in_reply_to_message_id=str(newest_in(bravo).pk))
    assert end_pauses() == 1
    thread = Thread.objects.get(mailbox=bravo)
    assert (thread.paused_until, thread.paused_reason) == (None, None)


def test_slow_talk_is_never_paused(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    write(alpha, bravo, clock)
    for number in range(20):
        clock.shift(timedelta(minutes=8))
        answering, asking = (bravo, alpha) if number % 2 == 0 else (alpha, bravo)
        write(answering, asking, clock, in_reply_to_message_id=str(newest_in(answering).pk))

    assert not Thread.objects.filter(paused_until__isnull=False).exists()
    assert not Exchange.objects.filter(paused_until__isnull=False).exists()


def test_reports_in_one_direction_are_never_paused(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair

    for _ in range(30):
        write(alpha, bravo, clock)

    assert not Thread.objects.filter(paused_until__isnull=False).exists()


def test_a_loop_of_new_threads_is_paused_for_both(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    # Ten and two more: the buckets leak a little between two messages.
    for number in range(12):
        write(*(pair if number % 2 == 0 else pair[::-1]), clock)
    reason = "10 messages went back and forth between these mailboxes within 60 minutes."
    assert Thread.objects.get(paused_reason=reason).mailbox_id == bravo.pk

    for sender, to in ((alpha, bravo), (bravo, alpha)):
        before = all_rows()
        with pytest.raises(ExchangePaused) as refusal:
            queue(sender, to.email_address)
        assert refusal.value.fields["reason"] == reason
        assert all_rows() == before
    other = mailbox_of(agent())
    assert queue(alpha, other.email_address).status == "queued"


def test_mail_to_people_is_not_counted(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, _ = pair
    for _number in range(12):
        receive(alpha, raw_mail(alpha.email_address))
        queue(alpha, "ada@customer.example")
        queue(alpha, alpha.email_address)

    assert not Exchange.objects.exists()


def test_zero_is_no_limit(pair: tuple[Mailbox, Mailbox], clock: Any, settings: Settings) -> None:
    settings.AGENT_THREAD_MESSAGES = settings.AGENT_PAIR_MESSAGES = 0

    loop(*pair, clock, 20)

    assert not Thread.objects.filter(paused_until__isnull=False).exists()
    assert not Exchange.objects.exists()


def test_old_counts_are_removed(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    write(*pair, clock)
    assert purge_exchanges() == 0

    clock.shift(timedelta(hours=3))

    assert purge_exchanges() == 1


def test_an_administrator_resumes_a_paused_thread(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    loop(alpha, bravo, clock, 6)
    thread = Thread.objects.get(mailbox=bravo)
    client = admin_client(alpha.organization)
    path = f"/mail/mailboxes/{bravo.email_address}/threads"
    shown = client.get(path).json()["items"][0]
    assert (shown["paused_reason"], shown["paused_until"]) == (thread.paused_reason, "2026-05-04T10:15:06Z")
    assert client.get(f"{path}/{thread.pk}").json()["paused_reason"] == thread.paused_reason

    answer = client.post(f"{path}/{thread.pk}/resume")

    assert answer.status_code == 200
    assert (answer.json()["paused_reason"], answer.json()["paused_until"]) == (None, None)
    for _ in range(4):
        write(bravo, alpha, clock, in_reply_to_message_id=str(newest_in(bravo).pk))
    thread.refresh_from_db()
    assert thread.paused_until is None


def test_resuming_frees_the_pair_too(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    # Ten and two more: the buckets leak a little between two messages.
    for number in range(12):
        write(*(pair if number % 2 == 0 else pair[::-1]), clock)
    thread = Thread.objects.get(paused_until__isnull=False)

    admin_client(alpha.organization).post(f"/mail/mailboxes/bravo/threads/{thread.pk}/resume")

    assert queue(alpha, bravo.email_address).status == "queued"
    assert queue(bravo, alpha.email_address).status == "queued"


CALLERS = ("admin", "owner", "member", "claimed", "unclaimed", "foreign", "nobody")


@pytest.mark.parametrize(("caller", "status"), list(zip(CALLERS, (200, 200, 403, 403, 403, 404, 401), strict=True)))
def test_who_may_resume(pair: tuple[Mailbox, Mailbox], clock: Any, caller: str, status: int) -> None:
    alpha, bravo = pair
    loop(alpha, bravo, clock, 6)
    acme = alpha.organization
    assert bravo.identity is not None
    clients: dict[str, ApiClient] = {
        "admin": admin_client(acme),
        "owner": session_client(acme, Role.OWNER),
        "member": session_client(acme, Role.MEMBER),
        "claimed": agent_client(bravo.identity),
        "unclaimed": agent_client(unclaimed_agent(acme)),
        "foreign": admin_client(organization()),
        "nobody": nobody(),
    }
    thread = Thread.objects.get(mailbox=bravo)
    before = all_rows()

    answer = clients[caller].post(f"/mail/mailboxes/bravo/threads/{thread.pk}/resume")

    assert answer.status_code == status
    assert (all_rows() == before) is (status != 200)


def test_a_refused_send_tells_the_agent(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    alpha, bravo = pair
    loop(alpha, bravo, clock, 6)
    assert bravo.identity is not None
    body = {
        "recipients": {"to": [alpha.email_address]},
        "subject": "And another thing",
        "in_reply_to_message_id": str(newest_in(bravo).pk),
    }

    answer = agent_client(bravo.identity).post(f"/mail/mailboxes/{bravo.email_address}/messages", body)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "900")
    assert answer.json()["detail"]["error"] == "exchange_paused"
    assert "ask a person to resume the thread" in answer.json()["detail"]["message"]


def test_a_send_to_many_agents_costs_what_one_to_a_few_costs(pair: tuple[Mailbox, Mailbox]) -> None:
    alpha, bravo = pair
    assert alpha.identity is not None
    client = agent_client(alpha.identity)
    others = [mailbox_of(agent(alpha.organization)).email_address for _ in range(20)]
    path = f"/mail/mailboxes/{alpha.email_address}/messages"
    few = {"recipients": {"to": [bravo.email_address]}, "subject": "x"}
    many = {"recipients": {"to": others}, "subject": "x"}
    client.post(path, few)

    assert cost(client, "POST", path, many, 201) == cost(client, "POST", path, few, 201)


# --- Mail that programs send ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Auto-Submitted: auto-replied", True),
        ("Auto-Submitted: auto-generated; x=y", True),
        ("Precedence: bulk", True),
        ("List-Id: <l.example>", True),
        ("Auto-Submitted: no", False),
        ("X-Other: y", False),
    ],
)
def test_inbound_mail_of_programs_and_lists_is_marked(header: str, expected: bool) -> None:
    box = mailbox_of(agent(handle="alpha"))
    message = receive(box, header.encode() + b"\r\n" + raw_mail(box.email_address))

    assert message.is_automatic is expected
    shown = admin_client(box.organization).get(f"/mail/mailboxes/alpha/messages/{message.pk}").json()
    listed = admin_client(box.organization).get("/mail/mailboxes/alpha/messages").json()["items"][0]
    assert shown["is_automatic"] is listed["is_automatic"] is expected


@pytest.mark.parametrize("value", ["auto-generated", "auto-replied"])
def test_a_send_may_say_that_a_program_sends_it(pair: tuple[Mailbox, Mailbox], value: str, clock: Any) -> None:
    alpha, bravo = pair
    assert alpha.identity is not None
    body = {"recipients": {"to": [bravo.email_address]}, "subject": "Report", "auto_submitted": value}

    answer = agent_client(alpha.identity).post(f"/mail/mailboxes/{alpha.email_address}/messages", body)

    assert (answer.status_code, answer.json()["is_automatic"]) == (201, True)
    message = Message.objects.get()
    assert f"\r\nAuto-Submitted: {value}\r\n".encode() in load_raw(message.content)
    send(message)
    assert newest_in(bravo).is_automatic is True


def test_other_values_are_refused(pair: tuple[Mailbox, Mailbox]) -> None:
    alpha, bravo = pair
    assert alpha.identity is not None
    body = {"recipients": {"to": [bravo.email_address]}, "subject": "x", "auto_submitted": "no\r\nBcc: x@y.example"}

    answer = agent_client(alpha.identity).post(f"/mail/mailboxes/{alpha.email_address}/messages", body)

    assert answer.status_code == 422
    assert not Message.objects.exists()


def test_a_program_does_not_answer_a_program() -> None:
    box = mailbox_of(agent(handle="alpha"))
    assert box.identity is not None
    automatic = receive(box, b"Auto-Submitted: auto-replied\r\n" + raw_mail(box.email_address))
    by_hand = receive(box, raw_mail(box.email_address))
    before = all_rows()

    with pytest.raises(AutomaticReplyRefused) as refusal:
        queue(box, "ada@customer.example", in_reply_to_message_id=str(automatic.pk), auto_submitted="auto-replied")
    answer = agent_client(box.identity).post(
        f"/mail/mailboxes/alpha/messages/{automatic.pk}/reply-all", {"body_text": "x", "auto_submitted": "auto-replied"}
    )

    assert refusal.value.status == answer.status_code == 403
    assert answer.json()["detail"]["error"] == "automatic_reply_refused"
    assert {k: v for k, v in all_rows().items() if "apikey" not in k.lower()} == {
        k: v for k, v in before.items() if "apikey" not in k.lower()
    }
    assert queue(box, "ada@customer.example", in_reply_to_message_id=str(automatic.pk)).status == "queued"
    replied = queue(box, "ada@customer.example", in_reply_to_message_id=str(by_hand.pk), auto_submitted="auto-replied")
    assert replied.is_automatic is True


def test_mail_that_has_gone_in_circles_is_refused_from_providers_too() -> None:
    box = mailbox_of(agent(handle="alpha"))
    raw = b"Received: from x by y\r\n" * limits.RECEIVED_HEADERS_MAX + raw_mail(box.email_address)

    assert accept_arrival(raw, "ada@customer.example", [box.email_address]) is Arrival.REFUSED
    assert not Message.objects.exists()


def test_operators_see_paused_pairs(pair: tuple[Mailbox, Mailbox], clock: Any) -> None:
    write(*pair, clock)
    client = Client()
    client.force_login(User.objects.create_superuser("op@example.org", "password"))

    page = client.get("/admin/mail/exchange/")

    assert page.status_code == 200
    assert pair[1].email_address in page.content.decode()
