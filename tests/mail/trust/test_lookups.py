"""The DNS budget of a message and the memory of the resolver."""

from __future__ import annotations

import dns.resolver
import pytest

from mail.trust.domains import ascii_domain, is_same_organization, organizational_domain
from mail.trust.lookups import Answer, CachedResolver, LookupFailed, Lookups, SystemResolver
from tests.mail.trust.zone import FAILED, Zone


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_name_is_asked_once_per_message() -> None:
    zone = Zone({("a.example", "TXT"): ["one"]})
    budget = Lookups(zone, seconds=5)

    assert budget.texts("A.example.") == budget.texts("a.example") == [b"one"]
    assert zone.asked == [("a.example", "TXT")]


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64 + ".example", "ä.example", "x." * 150 + "example"])
def test_what_is_no_name_has_no_records_and_costs_nothing(name: str) -> None:
    zone = Zone()

    assert Lookups(zone, seconds=5).records(name, "A") == ()
    assert zone.asked == []


def test_time_and_number_are_limited() -> None:
    clock, zone = Clock(), Zone({("a.example", "A"): ["192.0.2.1"]})
    few = Lookups(zone, seconds=5, most=1)
    budget = Lookups(zone, seconds=5, clock=clock)

    assert few.records("a.example", "A") == ("192.0.2.1",)
    with pytest.raises(LookupFailed):
        few.records("b.example", "A")
    clock.seconds += 5
    with pytest.raises(LookupFailed):
        budget.records("a.example", "A")
    assert zone.asked == [("a.example", "A")]


def test_one_query_gets_at_most_what_is_left() -> None:
    clock, given = Clock(), []

    class Slow:
        def query(self, name: str, kind: str, seconds: float) -> Answer:
            given.append(seconds)
            clock.seconds += seconds
            raise FAILED

    budget = Lookups(Slow(), seconds=4, clock=clock)
    for name in ("a.example", "b.example", "c.example"):
        with pytest.raises(LookupFailed):
            budget.records(name, "A")

    assert given == [2.5, 1.5]
    assert clock.seconds == 104


def test_oversized_texts_are_left_out() -> None:
    zone = Zone({("a.example", "TXT"): ["x" * 9000, "short"]})

    assert Lookups(zone, seconds=5).texts("a.example") == [b"short"]


@pytest.mark.parametrize(
    ("records", "ttl", "kept"), [(["x"], 1, 30), (["x"], 120, 120), (["x"], 999_999, 3600), ([], 999_999, 60)]
)
def test_answers_are_remembered_as_long_as_they_say(records: list[str], ttl: int, kept: int) -> None:
    clock, zone = Clock(), Zone({("a.example", "TXT"): records}, ttl)
    resolver = CachedResolver(zone, clock)

    for _ in range(2):
        resolver.query("a.example", "TXT", 2.5)
    clock.seconds += kept - 1
    resolver.query("a.example", "TXT", 2.5)
    assert len(zone.asked) == 1
    clock.seconds += 1
    resolver.query("a.example", "TXT", 2.5)
    assert len(zone.asked) == 2


def test_a_failure_is_remembered_for_seconds_unless_it_had_no_time() -> None:
    clock, zone = Clock(), Zone({("a.example", "A"): FAILED, ("b.example", "A"): FAILED})
    resolver = CachedResolver(zone, clock)

    for name, seconds in (("a.example", 2.5), ("a.example", 2.5), ("b.example", 0.1), ("b.example", 0.1)):
        with pytest.raises(LookupFailed):
            resolver.query(name, "A", seconds)
    assert zone.asked == [("a.example", "A"), ("b.example", "A"), ("b.example", "A")]
    clock.seconds += 5
    with pytest.raises(LookupFailed):
        resolver.query("a.example", "A", 2.5)
    assert len(zone.asked) == 4


FAILURES: list[Exception] = [
    dns.resolver.LifetimeTimeout(timeout=1, errors=[]),  # type: ignore[no-untyped-call]
    dns.resolver.NoNameservers(),  # type: ignore[no-untyped-call]
    OSError("no network"),
]


@pytest.mark.parametrize("error", FAILURES)
def test_the_systems_resolver_has_one_kind_of_failure(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def resolve(self, *_: object, **__: object) -> object:
            raise error

    monkeypatch.setattr("mail.trust.lookups.make_resolver", lambda _: Broken())

    with pytest.raises(LookupFailed):
        SystemResolver().query("a.example", "A", 1)


def test_a_machine_without_name_servers_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mail.trust.lookups.make_resolver", lambda _: None)

    with pytest.raises(LookupFailed):
        SystemResolver().query("a.example", "A", 1)


def test_a_name_that_does_not_exist_has_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        def resolve(self, *_: object, **__: object) -> object:
            raise dns.resolver.NXDOMAIN

    monkeypatch.setattr("mail.trust.lookups.make_resolver", lambda _: Empty())

    assert SystemResolver().query("a.example", "A", 1).values == ()
    assert SystemResolver().query("a\\.example", "A", 1).values == ()


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Bank.Example.", "bank.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
        ("[192.0.2.1]", ""),
        ("a b.example", ""),
        ("a..b", ""),
        ("", ""),
        ("x" * 64 + ".example", ""),
        ("\u202eelpmaxe.example", ""),
    ],
)
def test_domains_have_one_spelling(text: str, domain: str) -> None:
    assert ascii_domain(text) == domain


@pytest.mark.parametrize(
    ("domain", "organization"),
    [
        ("a.b.bank.example", "bank.example"),
        ("bank.example", "bank.example"),
        ("example", "example"),
        ("a.b.bank.co.uk", "bank.co.uk"),
        ("co.uk", "co.uk"),
        ("a.b.github.io", "b.github.io"),
        ("x.y.kawasaki.jp", "x.y.kawasaki.jp"),
        ("a.city.kawasaki.jp", "city.kawasaki.jp"),
    ],
)
def test_organizations(domain: str, organization: str) -> None:
    assert organizational_domain(domain) == organization


def test_neighbours_under_a_public_suffix_are_strangers() -> None:
    assert is_same_organization("a.bank.co.uk", "bank.co.uk")
    assert not is_same_organization("bank.co.uk", "evil.co.uk")
    assert not is_same_organization("bank.example", "evil.example")
    assert not is_same_organization("", "")
