"""The DNS client against a real name server on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.rcode
import pytest

from common import dns as module
from common.dns import DnsAnswer, DnsOutcome, SystemDns, dns_client, parse_server, reverse_name
from tests.factories.dns_server import DnsServer


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


def _ask(server: DnsServer, name: str, kind: str) -> DnsAnswer:
    return SystemDns(servers=server.address).lookup(name, kind)


def test_values_of_every_type(server: DnsServer) -> None:
    long_text = "v=DKIM1; p=" + "A" * 400
    server.publish("acme.org", "TXT", long_text)
    server.publish("acme.org", "TXT", "grüße")
    server.publish("acme.org", "MX", "20 Backup.acme.org")
    server.publish("acme.org", "MX", "10 mx.acme.org")
    server.records["null.org", "MX"] = ["0 ."]
    server.publish("mx.acme.org", "A", "192.0.2.1")
    server.publish("mx.acme.org", "AAAA", "2001:db8::1")
    server.publish(reverse_name("192.0.2.1"), "PTR", "MX.acme.org")

    assert sorted(_ask(server, "ACME.org.", "TXT").values) == ["grüße", long_text]
    assert sorted(_ask(server, "acme.org", "MX").values) == ["10 mx.acme.org", "20 backup.acme.org"]
    assert _ask(server, "null.org", "MX").values == ("0 .",)
    assert _ask(server, "mx.acme.org", "A").values == ("192.0.2.1",)
    assert _ask(server, "mx.acme.org", "AAAA").values == ("2001:db8::1",)
    assert _ask(server, "1.2.0.192.in-addr.arpa", "PTR").values == ("mx.acme.org",)


def test_missing_names_and_missing_types_differ(server: DnsServer) -> None:
    server.publish("acme.org", "TXT", "x")

    assert _ask(server, "acme.org", "MX") == DnsAnswer(DnsOutcome.NODATA)
    assert _ask(server, "nothing.org", "TXT") == DnsAnswer(DnsOutcome.NXDOMAIN)
    assert _ask(server, "nothing.org", "TXT").is_conclusive


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_server_that_fails_says_nothing_about_the_domain(server: DnsServer, rcode: int) -> None:
    server.rcodes["acme.org"] = rcode

    answer = _ask(server, "acme.org", "TXT")

    assert answer == DnsAnswer(DnsOutcome.SERVFAIL)
    assert not answer.is_conclusive


def test_silence_times_out_and_the_budget_is_for_all_questions(
    server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUESTION_SECONDS", 0.3)
    server.silent |= {"a.org", "b.org", "c.org"}
    server.publish("d.org", "TXT", "x")
    client = SystemDns(budget=0.5, servers=server.address)

    started = time.monotonic()
    outcomes = [client.lookup(name, "TXT").outcome for name in ("a.org", "b.org", "c.org", "d.org")]

    assert outcomes == [DnsOutcome.TIMEOUT] * 4
    assert time.monotonic() - started < 2


def test_aliases_are_followed(server: DnsServer) -> None:
    server.publish("k._domainkey.acme.org", "CNAME", "k.provider.example")
    server.publish("k.provider.example", "CNAME", "k2.provider.example")
    server.publish("k2.provider.example", "TXT", "v=DKIM1; p=x")
    server.publish("dangling.acme.org", "CNAME", "gone.example")
    server.publish("empty.acme.org", "CNAME", "k2.provider.example")

    assert _ask(server, "k._domainkey.acme.org", "TXT").values == ("v=DKIM1; p=x",)
    assert _ask(server, "dangling.acme.org", "TXT").outcome is DnsOutcome.NXDOMAIN
    assert _ask(server, "empty.acme.org", "MX").outcome is DnsOutcome.NODATA


def test_long_answers_come_over_tcp_and_are_bounded(server: DnsServer) -> None:
    for number in range(150):
        server.publish("acme.org", "TXT", f"{number} " + "x" * 200)

    values = _ask(server, "acme.org", "TXT").values

    assert server.tcp_questions == 1
    assert len(values) == 100


def test_a_question_is_asked_once(server: DnsServer) -> None:
    server.publish("acme.org", "TXT", "old")
    client = SystemDns(servers=server.address)
    first = client.lookup("acme.org", "TXT")
    server.records.clear()

    assert client.lookup("ACME.org.", "TXT") == first


def test_the_class_comes_from_the_settings(settings: object, server: DnsServer) -> None:
    settings.DNS_CLIENT = "common.dns.SystemDns"  # type: ignore[attr-defined]
    settings.DNS_SERVERS = server.address  # type: ignore[attr-defined]
    server.publish("acme.org", "TXT", "x")

    assert dns_client().lookup("acme.org", "TXT").values == ("x",)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        (" 192.0.2.53:5353 ", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_name_servers_are_addresses_with_an_optional_port(text: str, server: tuple[str, int]) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize("text", ["", "ns.example.org", "192.0.2.53:0", "192.0.2.53:x", "192.0.2.53:70000"])
def test_other_name_servers_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_server(text)


@pytest.mark.parametrize("name", ["a" * 64 + ".org", "a..org", "x." * 130 + "org"])
def test_names_that_dns_cannot_hold_do_not_exist(name: str) -> None:
    assert SystemDns(servers="127.0.0.1:9").lookup(name, "TXT").outcome is DnsOutcome.NXDOMAIN
