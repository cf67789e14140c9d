"""The Authentication-Results field, read back by an independent parser, and forged ones."""

from __future__ import annotations

import time

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.trust.results_header import results_field, without_forged_results
from mail.trust.verdicts import Arrival
from tests.mail.trust.zone import BANK_IP, ELSEWHERE, MESSAGE, bank_zone, checked, signed

OUR_ID = "mail.localhost"


def test_the_field_says_what_was_found() -> None:
    arrival = Arrival(BANK_IP, "mx.bank.example", "bounce@bank.example")
    found = checked(signed(), bank_zone(), mail_from=arrival.mail_from)

    field = results_field(found, OUR_ID, arrival)

    assert field == (
        b"Authentication-Results: mail.localhost;\r\n"
        b"\tspf=pass smtp.mailfrom=bank.example;\r\n"
        b"\tdkim=pass header.d=bank.example header.s=s1;\r\n"
        b"\tdmarc=pass (p=reject) header.from=bank.example;\r\n"
        b"\tarc=none smtp.remote-ip=192.0.2.10\r\n"
    )


@pytest.mark.parametrize(
    ("raw", "arrival"),
    [
        (MESSAGE, Arrival(ELSEWHERE, "x", "")),
        (signed(), Arrival("2001:db8::1", "mx.bank.example", "a@evil.example")),
        (b"From: a@x.example\r\nFrom: b@y.example\r\n\r\n", Arrival(ELSEWHERE, 'a"b;c', 'x"; dmarc=pass@evil.example')),
        (b"DKIM-Signature: v=1; d=a(b.example; s=x;y; bh=; b=\r\n" + MESSAGE, Arrival("", "", "")),
    ],
    ids=["plain", "signed", "two authors", "broken signature"],
)
def test_the_field_can_be_read(raw: bytes, arrival: Arrival) -> None:
    found = checked(raw, bank_zone(), arrival.ip, arrival.mail_from)

    field = results_field(found, OUR_ID, arrival).decode("ascii")

    parsed = authres.AuthenticationResultsHeader.parse(field)
    assert parsed.authserv_id == OUR_ID
    assert {row.method: row.result for row in parsed.results} | {"dkim": found.dkim.value} == {
        "spf": found.spf.result.value,
        "dkim": found.dkim.value,
        "dmarc": found.dmarc.result.value,
        "arc": found.arc.result.value,
    }
    assert max(map(len, field.split("\r\n"))) < 998


@pytest.mark.parametrize(
    "forged",
    [
        b"Authentication-Results: mail.localhost; dmarc=pass\r\n",
        b"authentication-RESULTS : mail.localhost 1; dmarc=pass\r\n",
        b"Authentication-Results:\r\n\tMail.LocalHost;\r\n\tdmarc=pass\r\n",
        b"Authentication-Results: (a;b (nested) \\) c) mail.localhost; dmarc=pass\r\n",
        b'Authentication-Results: "mail.local\\host"; dmarc=pass\r\n',
        b"Authentication-Results: mail.localhost\r\n",
        b"Authentication-Results: mail.localhost; dmarc=pass\n",
    ],
)
def test_forged_results_are_removed(forged: bytes) -> None:
    theirs = b"Authentication-Results: mx.other.example; dmarc=fail (for mail.localhost)\r\n"

    assert without_forged_results(theirs + forged + MESSAGE, OUR_ID) == theirs + MESSAGE


def test_the_body_and_messages_without_the_field_stay_as_they_are() -> None:
    body = MESSAGE + b"Authentication-Results: mail.localhost; dmarc=pass\r\n"
    theirs = b"Authentication-Results: mx.other.example; dmarc=fail\r\n" + body

    assert without_forged_results(body, OUR_ID) is body
    assert without_forged_results(theirs, OUR_ID) == theirs


def test_hostile_fields_are_removed_in_linear_time() -> None:
    started = time.perf_counter()

    for filler in (b"(" * 300_000, b"\\(" * 150_000, b"\r\n\t" * 100_000, b'"' * 300_000):
        without_forged_results(b"Authentication-Results: " + filler + b"\r\n" + MESSAGE, OUR_ID)
    without_forged_results(b"Authentication-Results: a\r\n" * 20_000 + MESSAGE, OUR_ID)

    assert time.perf_counter() - started < 2


@given(
    st.lists(
        st.sampled_from(
            [b"Authentication-Results", b":", b" ", b"\r\n", b"\n", b"(", b")", b";", b"mail.localhost", b"X"]
        ),
        max_size=20,
    ).map(b"".join)
)
def test_removing_twice_is_removing_once_and_only_fields_go(raw: bytes) -> None:
    once = without_forged_results(raw, OUR_ID)

    assert without_forged_results(once, OUR_ID) == once
    assert len(once) <= len(raw)
