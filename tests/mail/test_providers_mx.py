"""Direct delivery: DNS answers, host choice, and outcomes of several domains in one envelope."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import pytest

from mail.providers.base import Outcome
from mail.providers.mx import LookupFailed, MxTransport, Undeliverable
from mail.providers.outcomes import PartlyUnknown, same_for_all
from tests.mail.test_providers_smtp import (
    FAST,
    HandOff,
    Inbox,
    Talk,
    envelope,
    free_port,
    outcomes,
    scripted_server,
    smtp_server,
)

NXDOMAIN, NoAnswer = dns.resolver.NXDOMAIN, dns.resolver.NoAnswer
NoNameservers, Timeout = dns.resolver.NoNameservers, dns.exception.Timeout


class FakeDns:
    """Answers from a table of `name type` to records or an exception class; everything else is no such domain."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table
        self.asked: list[str] = []

    def resolve(
        self, qname: Any, rdtype: Any, *, lifetime: float | None = None, search: bool | None = None
    ) -> Iterable[Any]:
        assert lifetime
        assert search is False
        question = f"{dns.name.Name.to_text(qname, omit_final_dot=True)} {rdtype}"
        self.asked.append(question)
        answer = self.table.get(question)
        if answer is None:
            known = any(key.startswith(question.partition(" ")[0] + " ") for key in self.table)
            raise NoAnswer if known else NXDOMAIN
        if isinstance(answer, type):
            raise answer
        kind = dns.rdatatype.from_text(rdtype)
        return [dns.rdata.from_text(dns.rdataclass.IN, kind, text) for text in answer]


def transport(table: dict[str, Any], port: int = 25, *, allow_private: bool = True) -> MxTransport:
    return MxTransport(resolver=FakeDns(table), port=port, allow_private=allow_private, timeouts=FAST)


ANN = "ann@example.org"
PUBLIC = {"mx1.example.org A": ["8.8.8.8"]}


def test_mail_goes_to_the_mx_host() -> None:
    inbox, hand_off = Inbox(), HandOff()

    with smtp_server(inbox) as port:
        table = {"example.org MX": ["10 mx1.example.org."], "mx1.example.org A": ["127.0.0.1"]}
        results = transport(table, port).send(envelope(ANN, "Bob@EXAMPLE.org"), hand_off)

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, "Bob@EXAMPLE.org": Outcome.ACCEPTED}
    assert len(inbox.taken) == 1
    assert hand_off.calls == 1


def test_a_domain_without_mx_is_its_own_host() -> None:
    inbox = Inbox()

    with smtp_server(inbox) as port:
        results = transport({"example.org A": ["127.0.0.1"]}, port).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}


@pytest.mark.parametrize(
    ("table", "expected", "detail"),
    [
        ({"example.org MX": ["0 ."]}, Outcome.REFUSED, "null MX"),
        ({}, Outcome.REFUSED, "does not exist"),
        ({"example.org TXT": ["x"]}, Outcome.REFUSED, "no mail host with an address"),
        ({"example.org MX": ["1 gone.example.org."]}, Outcome.REFUSED, "no mail host with an address"),
        ({"example.org MX": NoNameservers}, Outcome.DEFERRED, "MX lookup failed"),
        ({"example.org MX": Timeout}, Outcome.DEFERRED, "MX lookup failed"),
        ({"example.org A": Timeout}, Outcome.DEFERRED, "could not be looked up"),
        (
            {"example.org MX": ["1 mx1.example.org."], "mx1.example.org A": NoNameservers},
            Outcome.DEFERRED,
            "could not be looked up",
        ),
    ],
)
def test_dns_answers(table: dict[str, Any], expected: Outcome, detail: str) -> None:
    hand_off = HandOff()

    results = transport(table).send(envelope(ANN), hand_off)

    assert outcomes(results) == {ANN: expected}
    assert detail in results[0].detail
    assert hand_off.calls == 0


def test_a_server_without_any_resolver_defers(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_resolver() -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "get_default_resolver", no_resolver)

    results = MxTransport().send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}


def test_hosts_come_by_preference_and_each_once() -> None:
    table = {
        "example.org MX": ["20 mx2.example.org.", "10 MX1.example.org.", "30 mx1.example.org.", "5 ."],
        "mx1.example.org A": ["8.8.8.8"],
        "mx1.example.org AAAA": ["2606:4700::1111"],
        "mx2.example.org A": ["9.9.9.9", "10.0.0.1"],
    }

    hosts = transport(table, allow_private=False).mail_hosts("example.org")

    assert [(host.name, host.addresses) for host in hosts] == [
        ("mx1.example.org", ("8.8.8.8", "2606:4700::1111")),
        ("mx2.example.org", ("9.9.9.9",)),
    ]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1"])
def test_private_addresses_are_never_called(address: str) -> None:
    table = {"example.org MX": ["1 mx1.example.org."], "mx1.example.org A": [address]}
    inbox = Inbox()

    with smtp_server(inbox) as port:
        results = transport(table, port, allow_private=False).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.REFUSED}
    assert "no public address" in results[0].detail
    assert inbox.taken == []


def test_address_literals() -> None:
    assert transport({}).mail_hosts("[127.0.0.1]")[0].addresses == ("127.0.0.1",)
    assert transport({}).mail_hosts("[IPv6:2606:4700::1111]")[0].addresses == ("2606:4700::1111",)
    with pytest.raises(Undeliverable):
        transport({}, allow_private=False).mail_hosts("[127.0.0.1]")
    with pytest.raises(Undeliverable):
        transport({}).mail_hosts("[nonsense]")


def test_one_failing_host_lookup_does_not_hide_the_others() -> None:
    table = {
        "example.org MX": ["1 bad.example.org.", "2 mx1.example.org."],
        "bad.example.org A": Timeout,
    }

    hosts = transport(table | PUBLIC).mail_hosts("example.org")

    assert [host.name for host in hosts] == ["mx1.example.org"]
    with pytest.raises(LookupFailed):
        transport(table).mail_hosts("example.org")


def test_the_next_host_is_tried_when_a_connection_is_refused() -> None:
    table = {
        "example.org MX": ["1 dead.example.org.", "2 mx1.example.org."],
        "dead.example.org A": ["127.0.0.2"],  # loopback too, but nothing listens there
        "mx1.example.org A": ["127.0.0.1"],
    }

    with smtp_server(Inbox()) as port:
        results = transport(table, port).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}


def test_the_next_host_is_tried_when_one_greets_with_4xx() -> None:
    table = {"example.org MX": ["1 a.example.org.", "2 b.example.org."]}
    table |= {"a.example.org A": ["127.0.0.1"], "b.example.org A": ["127.0.0.1"]}
    connections: list[int] = []

    def busy_then_open(talk: Talk) -> None:
        connections.append(1)
        if len(connections) == 1:
            talk.say("421 busy")
            talk.hear()
            return
        talk.until_data()
        talk.read_content()
        talk.say("250 ok")
        talk.hear()

    with scripted_server(busy_then_open, connections=2) as port:
        results = transport(table, port).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}
    assert len(connections) == 2


def test_hosts_that_all_refuse_to_talk() -> None:
    def closed(talk: Talk) -> None:
        talk.say("554 no mail from you")
        talk.hear()

    table = {"example.org MX": ["1 mx1.example.org."], "mx1.example.org A": ["127.0.0.1"]}
    with scripted_server(closed) as port:
        refused = transport(table, port).send(envelope(ANN), HandOff())
    deferred = transport(table, free_port()).send(envelope(ANN), HandOff())

    assert outcomes(refused) == {ANN: Outcome.REFUSED}
    assert "554 no mail from you" in refused[0].detail
    assert outcomes(deferred) == {ANN: Outcome.DEFERRED}


def _three_domains() -> dict[str, Any]:
    return {
        "lost.example MX": ["1 mx.lost.example."],
        "mx.lost.example A": ["127.0.0.2"],
        "fine.example MX": ["1 mx.fine.example."],
        "mx.fine.example A": ["127.0.0.1"],
    }


def test_a_lost_answer_of_one_domain_leaves_the_others_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def loses_the_answer(talk: Talk) -> None:
        talk.until_data()
        talk.read_content()

    hand_off, inbox = HandOff(), Inbox()
    with smtp_server(inbox) as fine_port, scripted_server(loses_the_answer) as lost_port:
        carrier = transport(_three_domains(), fine_port)
        _route(monkeypatch, {"127.0.0.1": fine_port, "127.0.0.2": lost_port})
        with pytest.raises(PartlyUnknown) as caught:
            carrier.send(envelope("a@lost.example", "b@fine.example", "c@gone.example"), hand_off)

    assert caught.value.recipients == ("a@lost.example",)
    assert outcomes(caught.value.results) == {"b@fine.example": Outcome.ACCEPTED, "c@gone.example": Outcome.REFUSED}
    assert hand_off.calls == 1


def _route(monkeypatch: pytest.MonkeyPatch, ports: dict[str, int]) -> None:
    """Let two hosts that share port 25 in the real world have a port each."""
    real = socket.create_connection

    def connect(peer: tuple[str, int], timeout: Any = None) -> socket.socket:
        return real(("127.0.0.1", ports[peer[0]]), timeout)

    monkeypatch.setattr(socket, "create_connection", connect)


def test_domains_that_are_not_reached_in_time_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mail.providers.mx.START_SECONDS", -1.0)
    hand_off = HandOff()

    results = transport(_three_domains()).send(envelope("a@lost.example", "b@fine.example"), hand_off)

    assert set(outcomes(results).values()) == {Outcome.NOT_TRIED}
    assert hand_off.calls == 0


def test_unusable_addresses_are_refused_without_a_lookup() -> None:
    carrier = transport({})

    results = carrier.send(envelope("nobody", "a@" + "x" * 70 + ".example", "a b@example.org"), HandOff())

    assert set(outcomes(results).values()) == {Outcome.REFUSED}
    assert len(results) == 3
    assert carrier._resolver.asked == []  # type: ignore[union-attr]


def test_an_unexpected_error_in_one_domain_keeps_the_results_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver_to_all_but_one(server: Any, submission: Any, hand_off: Any, *_: Any) -> Any:
        hand_off()
        if server.address == "127.0.0.2":
            raise ZeroDivisionError
        return same_for_all(submission.recipients, Outcome.ACCEPTED, "250 ok")

    monkeypatch.setattr("mail.providers.mx.deliver", deliver_to_all_but_one)

    with pytest.raises(PartlyUnknown) as caught:
        transport(_three_domains()).send(envelope("a@lost.example", "b@fine.example"), HandOff())

    assert caught.value.recipients == ("a@lost.example",)
    assert outcomes(caught.value.results) == {"b@fine.example": Outcome.ACCEPTED}


def test_an_unexpected_error_before_the_hand_off_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mail.providers.mx.deliver", broken)

    with pytest.raises(ZeroDivisionError):
        transport(_three_domains()).send(envelope("a@lost.example"), HandOff())
