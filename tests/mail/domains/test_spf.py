"""SPF records: syntax, limits, and whom they authorise (RFC 7208)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.dns import DnsOutcome
from mail.dns.spf import (
    SpfInvalid,
    SpfUnknown,
    authorised_senders,
    missing_sources,
    parse_mx,
    parse_spf,
    spf_texts,
)
from tests.factories.dns import FakeDns

DOMAIN = "acme.org"


def _missing(text: str, sources: str) -> list[str]:
    """Those of `sources` that the record does not cover."""
    dns = FakeDns()
    wanted = parse_spf(f"v=spf1 {sources}").mechanisms
    return [term.text for term in missing_sources(dns, wanted, authorised_senders(dns, DOMAIN, parse_spf(text)))]


def test_only_spf_records_count() -> None:
    values = ["v=spf1 -all", "V=SPF1", "v=spf10 -all", "spf2.0/pra", "v=spf1-all", "x v=spf1 -all"]

    assert spf_texts(values) == ["v=spf1 -all", "V=SPF1"]


def test_a_record_is_read_term_by_term() -> None:
    record = parse_spf(
        "v=spf1  a/24 MX//64 a:H.example/24//64 ip4:192.0.2.1 ?ip6:2001:DB8::/32 include:x.Y. exp=e -all"
    )

    assert [(m.qualifier, m.name, m.value, m.prefix4, m.prefix6) for m in record.mechanisms] == [
        ("+", "a", "", 24, 128),
        ("+", "mx", "", 32, 64),
        ("+", "a", "h.example", 24, 64),
        ("+", "ip4", "192.0.2.1/32", 32, 128),
        ("?", "ip6", "2001:db8::/32", 32, 128),
        ("+", "include", "x.y", 32, 128),
        ("-", "all", "", 32, 128),
    ]
    assert parse_spf("v=spf1 redirect=_spf.x.org.").redirect == "_spf.x.org"


@pytest.mark.parametrize(
    "term",
    [
        "foo",
        "ip4",
        "ip4:",
        "ip4:1.2.3",
        "ip4:2001:db8::1",
        "ip6:192.0.2.1",
        "ip4:192.0.2.0/33",
        "all:x",
        "all/8",
        "include",
        "include:",
        "include:x/24",
        "exists",
        "a:",
        "a/33",
        "a//129",
        "mx/x",
        "redirect=",
        "+",
        "ip4:192.0.2.1,192.0.2.2",
    ],
)
def test_a_malformed_term_makes_the_record_invalid(term: str) -> None:
    with pytest.raises(SpfInvalid):
        parse_spf(f"v=spf1 {term} -all")


def test_two_redirects_make_the_record_invalid() -> None:
    with pytest.raises(SpfInvalid):
        parse_spf("v=spf1 redirect=a.org redirect=b.org")


@pytest.mark.parametrize(
    ("record", "sources", "missing"),
    [
        ("v=spf1 a:mx.server.example ~all", "a:mx.server.example", []),
        ("v=spf1 -all", "a:mx.server.example", ["a:mx.server.example"]),
        ("v=spf1", "a:mx.server.example", ["a:mx.server.example"]),
        ("v=spf1 -all a:mx.server.example", "a:mx.server.example", ["a:mx.server.example"]),
        ("v=spf1 ~a:mx.server.example -all", "a:mx.server.example", ["a:mx.server.example"]),
        ("v=spf1 ip4:203.0.113.0/24 -all", "a:mx.server.example", []),
        ("v=spf1 ip4:203.0.113.0/30 -all", "a:mx.server.example", ["a:mx.server.example"]),
        ("v=spf1 mx -all", "a:mx.server.example", []),
        ("v=spf1 a -all", "ip4:198.51.100.9", []),
        ("v=spf1 a/24 -all", "ip4:198.51.100.200", []),
        ("v=spf1 a -all", "ip4:198.51.100.200", ["ip4:198.51.100.200/32"]),
        ("v=spf1 a:mx.server.example -all", "ip4:203.0.113.7", []),
        ("v=spf1 ip6:2001:db8::/32 -all", "ip6:2001:db8:1::/48", []),
        ("v=spf1 ip6:2001:db8::/32 -all", "ip4:192.0.2.1", ["ip4:192.0.2.1/32"]),
        ("v=spf1 include:_spf.provider.example -all", "include:_spf.provider.example", []),
        ("v=spf1 include:_spf.provider.example -all", "include:nets.provider.example ip4:192.0.2.77", []),
        ("v=spf1 include:_spf.provider.example -all", "a:mx.server.example", ["a:mx.server.example"]),
        ("v=spf1 redirect=_spf.provider.example", "ip4:192.0.2.77", []),
        ("v=spf1 -all redirect=_spf.provider.example", "ip4:192.0.2.77", ["ip4:192.0.2.77/32"]),
        ("v=spf1 exists:%{i}.x.org include:%{d}.x.org ip4:192.0.2.77 -all", "ip4:192.0.2.77", []),
        ("v=spf1 mx -all", "mx:acme.org", []),
        ("v=spf1 a:gone.server.example -all", "a:absent.server.example", ["a:absent.server.example"]),
    ],
)
def test_whom_a_record_authorises(record: str, sources: str, missing: list[str]) -> None:
    FakeDns.publish(DOMAIN, "MX", "10 mx.server.example")
    FakeDns.publish(DOMAIN, "A", "198.51.100.9")
    FakeDns.publish("_spf.provider.example", "TXT", "unrelated", "v=spf1 include:nets.provider.example ~all")
    FakeDns.publish("nets.provider.example", "TXT", "v=spf1 ip4:192.0.2.64/26 ~all")

    assert _missing(record, sources) == missing


def test_plus_all_is_seen_through_a_redirect() -> None:
    FakeDns.publish("open.example", "TXT", "v=spf1 +all")

    assert authorised_senders(FakeDns(), DOMAIN, parse_spf("v=spf1 redirect=open.example")).everybody
    assert authorised_senders(FakeDns(), DOMAIN, parse_spf("v=spf1 all")).everybody
    assert not authorised_senders(FakeDns(), DOMAIN, parse_spf("v=spf1 ?all")).everybody


def test_more_than_ten_lookups_are_too_many() -> None:
    for number in range(11):
        FakeDns.publish(f"h{number}.example", "A", f"192.0.2.{number}")
    ten = " ".join(f"a:h{number}.example" for number in range(10))

    assert _missing(f"v=spf1 {ten} -all", "a:h9.example") == []
    with pytest.raises(SpfInvalid, match="more than 10 DNS lookups"):
        _missing(f"v=spf1 {ten} a:h10.example -all", "a:h9.example")


def test_includes_that_go_round_in_circles_end() -> None:
    FakeDns.publish("a.example", "TXT", "v=spf1 include:b.example -all")
    FakeDns.publish("b.example", "TXT", "v=spf1 include:a.example -all")

    with pytest.raises(SpfInvalid, match="more than 10 DNS lookups"):
        _missing("v=spf1 include:a.example -all", "a:x.example")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "has no SPF record"),
        (["text"], "has no SPF record"),
        (["v=spf1 -all", "v=spf1 ~all"], "has more than one SPF record"),
        (["v=spf1 nonsense"], "no SPF mechanism"),
    ],
)
def test_an_include_of_a_bad_record_invalidates_the_whole(values: list[str], reason: str) -> None:
    if values:
        FakeDns.publish("a.example", "TXT", *values)

    with pytest.raises(SpfInvalid, match=reason):
        _missing("v=spf1 include:a.example -all", "a:x.example")


def test_names_that_do_not_exist_are_limited() -> None:
    with pytest.raises(SpfInvalid, match="More than 2 names"):
        _missing("v=spf1 a:a.example a:b.example mx:c.example -all", "ip4:192.0.2.1")


def test_a_mail_exchanger_set_is_limited() -> None:
    FakeDns.publish(DOMAIN, "MX", *[f"10 h{number}.example" for number in range(11)])

    with pytest.raises(SpfInvalid, match="more than 10 hosts"):
        _missing("v=spf1 mx -all", "ip4:192.0.2.1")


@pytest.mark.parametrize("name", ["a.example", "h.example"])
def test_silence_is_no_verdict(name: str) -> None:
    FakeDns.publish("a.example", "TXT", "v=spf1 -all")
    FakeDns.broken[name] = DnsOutcome.TIMEOUT

    with pytest.raises(SpfUnknown):
        _missing("v=spf1 include:a.example a:h.example -all", "ip4:192.0.2.1")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SpfInvalid):
        assert len(parse_spf(f"v=spf1 {text}").mechanisms) <= len(text.split(" "))


def test_mail_exchangers_in_order() -> None:
    assert parse_mx(["20 b.org", "10 c.org", "10 a.org", "0 ."]) == [
        (".", 0),
        ("a.org", 10),
        ("c.org", 10),
        ("b.org", 20),
    ]
