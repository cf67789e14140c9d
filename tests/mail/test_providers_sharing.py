"""What transports share between messages: connections that are kept, and turns with a busy domain."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mail.providers import domain_slots
from mail.providers.base import Outcome
from mail.providers.domain_slots import DomainSlots
from mail.providers.idle_sessions import IdleSessions
from mail.providers.mx import MxTransport
from mail.providers.outcomes import PartlyUnknown
from mail.providers.smarthost import SmarthostTransport
from tests.mail.test_providers_mx import FakeDns
from tests.mail.test_providers_smtp import (
    ANN,
    BOB,
    FAST,
    HandOff,
    Inbox,
    Talk,
    envelope,
    outcomes,
    plain,
    scripted_server,
    smtp_server,
)


@pytest.fixture
def sessions() -> Iterator[IdleSessions]:
    kept = IdleSessions()
    yield kept
    kept.close()


def test_messages_share_a_connection(sessions: IdleSessions) -> None:
    inbox = Inbox()
    with smtp_server(inbox) as port:
        transport = SmarthostTransport(plain(port), FAST, sessions)
        for _ in range(3):
            assert outcomes(transport.send(envelope(ANN), HandOff())) == {ANN: Outcome.ACCEPTED}
        sessions.close()

    assert len(inbox.taken) == 3
    assert len({id(session) for _, _, session in inbox.taken}) == 1
    assert [taken.rcpt_tos for taken, _, _ in inbox.taken] == [[ANN]] * 3


def test_a_connection_is_left_after_so_many_messages() -> None:
    inbox, sessions = Inbox(), IdleSessions(messages_max=2)
    with smtp_server(inbox) as port:
        for _ in range(4):
            SmarthostTransport(plain(port), FAST, sessions).send(envelope(ANN), HandOff())
        sessions.close()

    assert len({id(session) for _, _, session in inbox.taken}) == 2


def test_an_unwanted_connection_is_closed_in_time() -> None:
    ended = threading.Event()

    def script(talk: Talk) -> None:
        talk.until_data()
        talk.read_content()
        talk.say("250 OK")
        assert talk.hear() == "QUIT"
        talk.say("221 bye")
        ended.set()

    sessions = IdleSessions(idle_seconds=0.1)
    with scripted_server(script) as port:
        SmarthostTransport(plain(port), FAST, sessions).send(envelope(ANN), HandOff())
        assert ended.wait(5)
    assert sessions.take(plain(port), FAST) is None


@pytest.mark.parametrize("ending", ["closed", "refused", "silent"])
def test_a_kept_connection_that_died_costs_nothing(sessions: IdleSessions, ending: str) -> None:
    rounds: list[int] = []

    def script(talk: Talk) -> None:
        talk.until_data()
        talk.read_content()
        talk.say("250 OK")
        rounds.append(1)
        if len(rounds) == 1:
            if ending == "closed":
                return
            assert talk.hear() == "RSET"
            if ending == "refused":
                talk.say("421 too long idle")
            else:
                time.sleep(FAST.dialogue + 0.5)

    with scripted_server(script, connections=2) as port:
        transport = SmarthostTransport(plain(port), FAST, sessions)
        first = transport.send(envelope(ANN), HandOff())
        if ending == "closed":
            time.sleep(0.1)
        hand_off = HandOff()
        second = transport.send(envelope(BOB), hand_off)
        sessions.close()

    assert outcomes(first) | outcomes(second) == {ANN: Outcome.ACCEPTED, BOB: Outcome.ACCEPTED}
    assert hand_off.calls == 1


def test_a_connection_with_an_unknown_outcome_is_not_kept(sessions: IdleSessions) -> None:
    def script(talk: Talk) -> None:
        talk.until_data()
        talk.read_content()

    with scripted_server(script) as port, pytest.raises(PartlyUnknown):
        SmarthostTransport(plain(port), FAST, sessions).send(envelope(ANN), HandOff())

    assert sessions.take(plain(port), FAST) is None


def test_servers_do_not_share(sessions: IdleSessions) -> None:
    one, two = Inbox(), Inbox()
    with smtp_server(one) as first, smtp_server(two) as second:
        for port in (first, second):
            SmarthostTransport(plain(port), FAST, sessions).send(envelope(ANN), HandOff())
        sessions.close()

    assert (len(one.taken), len(two.taken)) == (1, 1)


def test_a_slot_is_waited_for_only_while_its_holder_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_slots, "_WAIT_SECONDS", 0.3)
    slots = DomainSlots(1)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with slots.take("a.example"):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(5)

    started = time.monotonic()
    with slots.take("a.example") as is_free:
        assert is_free is False
    assert 0.2 < time.monotonic() - started < 2

    monkeypatch.setattr(domain_slots, "_SLOW_SECONDS", 0.0)
    started = time.monotonic()
    with slots.take("a.example") as is_free:
        assert is_free is False
    assert time.monotonic() - started < 0.2

    with slots.take("b.example") as is_free:
        assert is_free is True

    monkeypatch.setattr(domain_slots, "_SLOW_SECONDS", 5.0)
    threading.Timer(0.05, leave.set).start()
    with slots.take("a.example") as is_free:
        assert is_free is True
    holder.join(5)


def test_a_slot_is_free_again_after_an_error() -> None:
    slots = DomainSlots(1)
    with pytest.raises(RuntimeError), slots.take("a.example"):
        raise RuntimeError

    with slots.take("a.example") as is_free:
        assert is_free is True


def test_a_busy_domain_is_not_tried_and_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_slots, "_WAIT_SECONDS", 0.1)
    inbox, slots = Inbox(), DomainSlots(1)
    table = {"example.org A": ["127.0.0.1"], "other.example A": ["127.0.0.1"]}
    with smtp_server(inbox) as port, slots.take("example.org"):
        transport = MxTransport(resolver=FakeDns(table), port=port, allow_private=True, timeouts=FAST, slots=slots)
        results = transport.send(envelope(ANN, "eve@other.example"), HandOff())

    assert outcomes(results) == {ANN: Outcome.NOT_TRIED, "eve@other.example": Outcome.ACCEPTED}
