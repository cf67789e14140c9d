"""ARC chains: broken ones, whole ones, and those of sealers that the operator trusts."""

from __future__ import annotations

import time

import dkim
import pytest

from mail.enums import DkimAlgorithm
from mail.trust.dmarc import disposition
from mail.trust.verdicts import Disposition, Result
from tests.mail.trust.zone import BANK, ELSEWHERE, FAILED, MESSAGE, Zone, bank_zone, checked, key, signed

LIST = "list.example"
SUBJECT = (b"Subject: Hello", b"Subject: [list] Hello")


def _zone() -> Zone:
    zone = bank_zone()
    for domain in (LIST, "second.example"):
        zone.records[f"arc._domainkey.{domain}", "TXT"] = [key(DkimAlgorithm.RSA)[1]]
    return zone


def sealed(raw: bytes, results: bytes, domain: str = LIST) -> bytes:
    """As a forwarder passes the message on: it saw `results` and seals them."""
    name = domain.encode()
    stamped = b"Authentication-Results: " + name + b"; " + results + b"\r\n" + raw
    headers = [b"from", b"to", b"subject", b"date", b"message-id"]
    fields = dkim.arc_sign(stamped, b"arc", name, key(DkimAlgorithm.RSA)[0], name, include_headers=headers)
    return b"".join(fields) + raw


PASSED = b"arc=none; dmarc=pass (p=reject) header.from=bank.example"


def _listed(results: bytes = PASSED) -> bytes:
    return sealed(signed().replace(*SUBJECT), results)


def test_a_list_breaks_the_signature_and_a_trusted_one_vouches_for_it() -> None:
    unknown = checked(_listed(), _zone(), ELSEWHERE, "bounce@list.example")
    trusted = checked(_listed(), _zone(), ELSEWHERE, "bounce@list.example", trusted_sealers={LIST})

    assert (unknown.dkim, unknown.dmarc.result, unknown.arc.result) == (Result.FAIL, Result.FAIL, Result.PASS)
    assert (unknown.arc.sealers, unknown.aligned_from) == ((LIST,), "")
    assert disposition(unknown, "reject") is Disposition.REJECT
    assert (trusted.dmarc.result, trusted.arc.vouched_by) == (Result.FAIL, LIST)
    assert (trusted.aligned_from, trusted.aligned_by) == (BANK, "arc")
    assert disposition(trusted, "reject") is Disposition.ACCEPT


@pytest.mark.parametrize(
    "results",
    [
        b"arc=none; dmarc=fail header.from=bank.example",
        b"arc=none; dmarc=pass header.from=other.example",
        b"arc=none; dmarc=pass",
        b"arc=none; spf=fail (dmarc=pass header.from=bank.example) smtp.mailfrom=x.example",
        b"arc=none",
    ],
)
def test_a_trusted_sealer_that_did_not_see_a_pass_vouches_for_nothing(results: bytes) -> None:
    found = checked(_listed(results), _zone(), ELSEWHERE, "x@list.example", trusted_sealers={LIST})

    assert (found.arc.result, found.aligned_from) == (Result.PASS, "")


def test_every_hop_back_to_the_voucher_must_be_trusted() -> None:
    twice = sealed(
        _listed().replace(b"[list]", b"[both]"), b"arc=pass; dmarc=fail header.from=bank.example", "second.example"
    )

    def vouched(*sealers: str) -> str:
        return checked(twice, _zone(), ELSEWHERE, "x@second.example", trusted_sealers=sealers).aligned_from

    assert checked(twice, _zone(), ELSEWHERE).arc.sealers == ("second.example", LIST)
    assert vouched(LIST) == ""
    assert vouched("second.example") == ""
    assert vouched(LIST, "second.example") == BANK


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"last", b"lost"),
        (b"[list]", b"[evil]"),
        (b"dmarc=pass", b"dmarc=fail"),
        (b"ARC-Seal:", b"X-Seal:"),
        (b"i=1; ", b"i=99999999; "),
    ],
)
def test_a_changed_chain_is_broken(old: bytes, new: bytes) -> None:
    raw = _listed().replace(old, new)

    found = checked(raw, _zone(), ELSEWHERE, "x@list.example", trusted_sealers={LIST})

    assert (found.arc.result, found.aligned_from) == (Result.FAIL, "")


def test_a_key_that_cannot_be_looked_up_is_temperror() -> None:
    zone = _zone()
    zone.records[f"arc._domainkey.{LIST}", "TXT"] = FAILED

    assert checked(_listed(), zone, ELSEWHERE, trusted_sealers={LIST}).arc.result is Result.TEMPERROR


def test_hostile_chains_cost_little() -> None:
    tags = b"a=rsa-sha256; d=evil.example; s=k; bh=AAAA; b=AAAA; h=from; cv=none"
    sets = b"".join(
        b"%b: i=%d; %b\r\n" % (name, number, tags)
        for number in range(1, 300)
        for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")
    )
    nested = b"ARC-Authentication-Results: i=1; " + b"(" * 15_000 + b"\r\n"
    started = time.perf_counter()

    for raw in (sets + MESSAGE, nested + MESSAGE, sets[:4000] + MESSAGE):
        assert checked(raw, _zone(), ELSEWHERE).arc.result is Result.FAIL

    assert time.perf_counter() - started < 2
