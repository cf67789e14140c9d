"""SPF results, and records written to waste time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.trust.spf_check import check_spf
from mail.trust.verdicts import Arrival, Result, SpfVerdict
from tests.mail.trust.zone import BANK, BANK_IP, ELSEWHERE, FAILED, Zone, lookups


def result(record: str | Exception | None, ip: str = BANK_IP, **more: object) -> Result:
    zone = Zone({(BANK, "TXT"): record if isinstance(record, Exception) else [record] if record else []})
    zone.records.update({(name, kind): value for (name, kind), value in more.get("records", {}).items()})  # type: ignore[attr-defined]
    return check_spf(Arrival(ip, "mx.bank.example", f"ann@{BANK}"), lookups(zone)).result


@pytest.mark.parametrize(
    ("record", "ip", "expected"),
    [
        (None, BANK_IP, Result.NONE),
        (f"v=spf1 ip4:{BANK_IP} -all", BANK_IP, Result.PASS),
        (f"v=spf1 ip4:{BANK_IP} -all", f"::ffff:{BANK_IP}", Result.PASS),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::5", Result.PASS),
        (f"v=spf1 ip4:{BANK_IP} -all", ELSEWHERE, Result.FAIL),
        ("v=spf1 ~all", ELSEWHERE, Result.SOFTFAIL),
        ("v=spf1 ?all", ELSEWHERE, Result.NEUTRAL),
        ("v=spf1", ELSEWHERE, Result.NEUTRAL),
        ("v=spf1 moo -all", ELSEWHERE, Result.PERMERROR),
        ("v=spf1 include:bank.example -all", ELSEWHERE, Result.PERMERROR),
        (FAILED, BANK_IP, Result.TEMPERROR),
        ("v=spf1 -all", "not an address", Result.NONE),
        ("v=spf1 +all", "list", Result.NONE),
    ],
)
def test_results(record: str | Exception | None, ip: str, expected: Result) -> None:
    assert result(record, ip) is expected


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        ("a", Result.PASS),
        ("mx", Result.PASS),
        ("include:other.example", Result.PASS),
        ("exists:%{ir}.list.example", Result.PASS),
        ("ptr", Result.PASS),
        ("redirect=other.example", Result.PASS),
        ("a:nothing.example", Result.FAIL),
    ],
)
def test_mechanisms_that_ask(mechanism: str, expected: Result) -> None:
    records = {
        (BANK, "A"): [BANK_IP],
        (BANK, "MX"): [(10, "mx.bank.example")],
        ("mx.bank.example", "A"): [BANK_IP],
        ("other.example", "TXT"): [f"v=spf1 ip4:{BANK_IP} -all"],
        ("10.2.0.192.list.example", "A"): ["127.0.0.2"],
        ("10.2.0.192.in-addr.arpa", "PTR"): ["mx.bank.example"],
    }
    end = "" if "redirect" in mechanism else " -all"

    assert result(f"v=spf1 {mechanism}{end}", records=records) is expected


@pytest.mark.parametrize(
    ("mail_from", "helo", "verdict"),
    [
        ("ann@bank.example", "x", SpfVerdict(Result.PASS, BANK)),
        ("ann@BANK.example.", "x", SpfVerdict(Result.PASS, BANK)),
        ("", "bank.example", SpfVerdict(Result.PASS, BANK, is_helo=True)),
        ("", "[192.0.2.10]", SpfVerdict(Result.NONE, "", is_helo=True)),
        ("", "localhost", SpfVerdict(Result.NONE, "localhost", is_helo=True)),
        ("nobody", "x", SpfVerdict(Result.NONE, "nobody")),
        ("ann@" + "a" * 64 + ".example", "x", SpfVerdict(Result.NONE, "")),
        ("jürgen@bank.example", "x", SpfVerdict(Result.PASS, BANK)),
        ("ann@büro.example", "x", SpfVerdict(Result.NONE, "xn--bro-hoa.example")),
        ("%{i}@bank.example", "x", SpfVerdict(Result.PASS, BANK)),
    ],
)
def test_identities(mail_from: str, helo: str, verdict: SpfVerdict) -> None:
    zone = Zone({(BANK, "TXT"): [f"v=spf1 ip4:{BANK_IP} -all"]})

    assert check_spf(Arrival(BANK_IP, helo, mail_from), lookups(zone)) == verdict


class Endless(Zone):
    """Every name has a record that leads to two more."""

    def __init__(self, record: str) -> None:
        super().__init__()
        self.record = record

    def query(self, name: str, kind: str, seconds: float) -> object:  # type: ignore[override]
        self.records[name, kind] = {
            "TXT": [self.record],
            "MX": [(1, f"{n}.{name}"[-200:]) for n in range(200)],
            "PTR": [f"{n}.{name}"[-200:] for n in range(200)],
        }.get(kind, ["192.0.2.99"])
        return super().query(name, kind, seconds)


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 include:%{l}.a.example include:%{l}.b.example -all",
        "v=spf1 include:1.%{d} include:2.%{d} -all",
        "v=spf1 redirect=1.%{d}",
        "v=spf1 " + "mx:%{d} " * 12 + "-all",
        "v=spf1 " + "ptr " * 9 + "-all",
        "v=spf1 " + "a " * 500 + "-all",
        "v=spf1 a:" + "x" * 3900,
        "v=spf1 " + "a:" + "1.%{d}" * 60 + " -all",
        "v=spf1 exp=%{d} -all",
        "v=spf1 " + "x" * 60_000,
    ],
)
def test_hostile_records_cost_little(record: str) -> None:
    zone = Endless(record)
    started = time.perf_counter()

    found = check_spf(Arrival(ELSEWHERE, "x", "x@evil.example"), lookups(zone)).result

    assert time.perf_counter() - started < 2
    assert found is not Result.PASS
    assert len(zone.asked) <= 80


@given(st.text(max_size=300), st.text(max_size=40), st.sampled_from(["192.0.2.1", "2001:db8::1"]))
def test_any_record_and_sender_has_a_result(record: str, local: str, ip: str) -> None:
    zone = Zone({(BANK, "TXT"): [f"v=spf1 {record}"]})
    zone.records[BANK, "TXT"] = [zone.records[BANK, "TXT"][0].encode("utf-8", "replace").decode()]

    assert check_spf(Arrival(ip, local, f"{local}@{BANK}"), lookups(zone)).result in set(Result)
