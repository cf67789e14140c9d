"""SPF, DKIM, DMARC and ARC together, on messages as they arrive."""

from __future__ import annotations

import pytest

from mail.enums import DkimAlgorithm
from mail.trust.dmarc import disposition
from mail.trust.verdicts import Disposition, Policy, Result
from tests.mail.trust.zone import (
    BANK,
    BANK_IP,
    ELSEWHERE,
    FAILED,
    MESSAGE,
    Zone,
    bank_zone,
    checked,
    dkimpy_signed,
    signed,
)


def test_a_message_of_its_domain_passes_everything() -> None:
    found = checked(signed(), bank_zone(), mail_from="bounce@bank.example")

    assert found.to_json() == {
        "spf": "pass",
        "dkim": "pass",
        "dmarc": "pass",
        "arc": "none",
        "from_domain": BANK,
        "aligned_from": BANK,
        "aligned_by": "dkim",
        "policy": "reject",
        "spf_domain": BANK,
        "signatures": [{"result": "pass", "domain": BANK, "selector": "s1", "reason": None}],
        "sealers": [],
    }


@pytest.mark.parametrize("algorithm", list(DkimAlgorithm))
def test_both_algorithms_verify(algorithm: DkimAlgorithm) -> None:
    selector = "s1" if algorithm is DkimAlgorithm.RSA else "s2"

    found = checked(signed(selector=selector, algorithm=algorithm), bank_zone(), ELSEWHERE)

    assert found.signatures[0].result is Result.PASS
    assert (found.dmarc.result, found.aligned_by) == (Result.PASS, "dkim")


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b" \t\r\n\r\n", b"a  b\t\r\n\r\n\r\n", b"no end", b"x\r\r\n", b"\n\n"]
)
def test_every_canonicalization_of_every_body_agrees_with_the_signer(
    header: bytes, body: bytes, content: bytes
) -> None:
    raw = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + content

    found = checked(dkimpy_signed(raw, canonicalize=(header, body)), bank_zone())

    assert found.signatures[0].result is Result.PASS


def test_spf_alone_aligns() -> None:
    found = checked(MESSAGE, bank_zone(), mail_from="bounce@bank.example")

    assert (found.spf.result, found.dkim, found.dmarc.result) == (Result.PASS, Result.NONE, Result.PASS)
    assert found.aligned_by == "spf"


def test_spf_of_another_domain_does_not_align() -> None:
    zone = bank_zone()
    zone.records["evil.example", "TXT"] = [f"v=spf1 ip4:{ELSEWHERE} -all"]

    found = checked(MESSAGE, zone, ELSEWHERE, "x@evil.example")

    assert (found.spf.result, found.dmarc.result, found.aligned_from) == (Result.PASS, Result.FAIL, "")


def test_a_null_reverse_path_is_judged_by_helo() -> None:
    zone = bank_zone()
    zone.records["mx.bank.example", "TXT"] = [f"v=spf1 ip4:{BANK_IP} -all"]

    found = checked(MESSAGE, zone, BANK_IP, "")

    assert (found.spf.result, found.spf.domain, found.spf.is_helo) == (Result.PASS, "mx.bank.example", True)
    assert found.dmarc.result is Result.PASS


@pytest.mark.parametrize(
    ("policy", "from_domain", "aligned"),
    [
        ("v=DMARC1; p=reject", "news.bank.example", True),
        ("v=DMARC1; p=reject; adkim=s", "news.bank.example", False),
        ("v=DMARC1; p=reject; adkim=s", "bank.example", True),
        ("v=DMARC1; p=reject", "bank.example.evil.example", False),
        ("v=DMARC1; p=reject", "notbank.example", False),
    ],
)
def test_alignment(policy: str, from_domain: str, aligned: bool) -> None:
    raw = MESSAGE.replace(b"ann@bank.example", b"ann@" + from_domain.encode())
    found = checked(signed(raw), bank_zone(policy), ELSEWHERE, "x@elsewhere.example")

    assert (found.aligned_from == from_domain) is aligned


@pytest.mark.parametrize(
    ("records", "domain", "policy", "result"),
    [
        ({}, "bank.example", None, Result.NONE),
        ({"bank.example": ["v=DMARC1; p=quarantine"]}, "a.bank.example", Policy.QUARANTINE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=reject; sp=none"]}, "a.bank.example", Policy.NONE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=none; sp=reject"]}, "bank.example", Policy.NONE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=none; np=reject"]}, "a.bank.example", Policy.REJECT, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=none; np=reject"]}, "real.bank.example", Policy.NONE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=reject; pct=0"]}, "bank.example", Policy.QUARANTINE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=quarantine; t=y"]}, "bank.example", Policy.NONE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}, "bank.example", None, Result.NONE),
        ({"bank.example": ["v=spf1 -all", "v=DMARC1;p=reject"]}, "bank.example", Policy.REJECT, Result.FAIL),
        ({"bank.example": ["v=DMARC1; rua=mailto:r@bank.example"]}, "bank.example", Policy.NONE, Result.FAIL),
        ({"bank.example": ["v=DMARC1; p=sometimes"]}, "bank.example", None, Result.NONE),
        ({"bank.example": ["v=DMARC10; p=reject"]}, "bank.example", None, Result.NONE),
        (
            {"bank.co.uk": ["v=DMARC1; p=reject"], "co.uk": ["v=DMARC1; p=none"]},
            "a.b.bank.co.uk",
            Policy.REJECT,
            Result.FAIL,
        ),
        ({"co.uk": ["v=DMARC1; p=reject"]}, "bank.co.uk", None, Result.NONE),
    ],
)
def test_policy_discovery(records: dict[str, list[str]], domain: str, policy: Policy | None, result: Result) -> None:
    zone = Zone({(f"_dmarc.{name}", "TXT"): texts for name, texts in records.items()})
    zone.records["real.bank.example", "A"] = ["192.0.2.1"]
    raw = MESSAGE.replace(b"ann@bank.example", b"ann@" + domain.encode())

    found = checked(raw, zone, ELSEWHERE, "x@elsewhere.example")

    assert (found.dmarc.policy, found.dmarc.result) == (policy, result)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (b"From: a@bank.example\r\nFrom: b@bank.example\r\n", "several From fields"),
        (b"From: a@bank.example, b@other.example\r\n", "several From domains"),
        (b"From: nobody\r\n", "no From address"),
        (b"Subject: x\r\n", "no From field"),
        (b"From: a@bank.example\r\nno field here\r\n", "a line of the header is no field"),
        (b"From: a@bank.example\r\nX: a\rb\r\n", "a bare CR in the header"),
    ],
)
def test_an_unclear_author_is_never_aligned(headers: bytes, reason: str) -> None:
    found = checked(headers + b"\r\nbody\r\n", bank_zone(), BANK_IP, "x@bank.example")

    assert (found.dmarc.result, found.dmarc.reason, found.aligned_from) == (Result.PERMERROR, reason, "")
    assert disposition(found, "spam") is Disposition.SPAM


def test_two_authors_of_one_domain_are_one_domain() -> None:
    raw = MESSAGE.replace(b"Ann <ann@bank.example>", b"ann@bank.example, bob@bank.example")

    assert checked(signed(raw), bank_zone()).aligned_from == BANK


def test_a_replayed_message_with_another_one_wrapped_around_it_does_not_pass() -> None:
    wrapped = b"X-A: b\rFrom: ann@bank.example\rSubject: pay\r\rPay me.\r" + b"\r" * 200 + b"\r\n" + signed()

    found = checked(wrapped, bank_zone(), ELSEWHERE)

    assert found.aligned_from == ""


def test_a_second_from_above_a_signed_one_does_not_pass() -> None:
    found = checked(b"From: ceo@bank.example\r\n" + signed(), bank_zone(), ELSEWHERE)

    assert found.aligned_from == ""


@pytest.mark.parametrize(
    ("published", "enforce", "done"),
    [
        ("reject", "reject", Disposition.REJECT),
        ("reject", "spam", Disposition.SPAM),
        ("reject", "off", Disposition.ACCEPT),
        ("quarantine", "reject", Disposition.SPAM),
        ("quarantine", "spam", Disposition.SPAM),
        ("quarantine", "off", Disposition.ACCEPT),
        ("none", "reject", Disposition.ACCEPT),
        ("none", "spam", Disposition.ACCEPT),
    ],
)
def test_what_a_failure_means(published: str, enforce: str, done: Disposition) -> None:
    zone = bank_zone(f"v=DMARC1; p={published}")

    assert disposition(checked(MESSAGE, zone, ELSEWHERE, "x@evil.example"), enforce) is done
    assert disposition(checked(signed(), zone, ELSEWHERE, "x@evil.example"), enforce) is Disposition.ACCEPT


# --- DNS that does not answer ---------------------------------------------------------------------------------------


def test_without_dns_everything_is_temperror_and_nothing_is_enforced() -> None:
    class Away:
        def query(self, name: str, kind: str, seconds: float) -> object:
            raise FAILED

    found = checked(signed(), Away(), BANK_IP, "x@bank.example")

    assert (found.spf.result, found.dkim, found.dmarc.result) == (Result.TEMPERROR,) * 3
    assert found.dmarc.is_policy_unknown
    assert found.aligned_from == ""
    assert disposition(found, "reject") is Disposition.ACCEPT


def test_a_key_that_cannot_be_looked_up_is_temperror_where_it_would_have_aligned() -> None:
    zone = bank_zone()
    zone.records[f"s1._domainkey.{BANK}", "TXT"] = FAILED

    assert checked(signed(), zone, ELSEWHERE, "x@evil.example").dmarc.result is Result.TEMPERROR


def test_trouble_with_a_domain_that_could_not_align_excuses_nothing() -> None:
    zone = bank_zone()
    zone.records["evil.example", "TXT"] = FAILED

    found = checked(MESSAGE, zone, ELSEWHERE, "x@evil.example")

    assert (found.spf.result, found.dmarc.result) == (Result.TEMPERROR, Result.FAIL)


def test_a_sender_cannot_spend_the_budget_before_the_checks_that_count() -> None:
    zone = bank_zone()
    terms = " ".join(f"mx:m{n}.evil.example" for n in range(9))
    zone.records["evil.example", "TXT"] = [f"v=spf1 {terms} -all"]
    for n in range(9):
        zone.records[f"m{n}.evil.example", "MX"] = [(10, f"h{n}-{i}.evil.example") for i in range(10)]
    noise = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=evil.example; s=k%d; h=from; bh=AAAA; b=AAAA\r\n" % n for n in range(3)
    )

    found = checked(noise + signed(), zone, ELSEWHERE, "x@evil.example")

    assert found.aligned_from == BANK
    assert zone.asked[0] == (f"_dmarc.{BANK}", "TXT")
    assert len(zone.asked) <= 80
