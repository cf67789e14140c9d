"""The built-in spam score: each sign alone, ordinary mail, and input made to waste time."""

# ruff: noqa: RUF001, RUF003  (look-alike letters are what is tested)

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.mime.parse import parse_mail
from mail.trust.heuristic import GTUBE, score
from mail.trust.verdicts import ArcVerdict, Authentication, DmarcVerdict, Policy, Result, SpamVerdict, SpfVerdict
from tests.factories.mail import raw_mail

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PROVEN = Authentication(
    SpfVerdict(Result.PASS, "customer.example"),
    (),
    DmarcVerdict(Result.PASS, "customer.example", Policy.REJECT, "spf"),
    ArcVerdict(),
)


def unproven(spf: Result = Result.NONE, dmarc: Result = Result.NONE) -> Authentication:
    policy = Policy.NONE if dmarc is Result.FAIL else None
    return Authentication(SpfVerdict(spf, "x.example"), (), DmarcVerdict(dmarc, "x.example", policy), ArcVerdict())


def judged(raw: bytes, found: Authentication = PROVEN, **options: Any) -> SpamVerdict:
    return score(parse_mail(raw), found, NOW, **options)


def reasons(found: Authentication = PROVEN, **fields: Any) -> list[str]:
    return list(judged(raw_mail("bot@mail.localhost", **fields), found).reasons)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sender": "Jürgen Groß <juergen@customer.example>", "subject": "Grüße aus Köln 👩‍💻"},
        {"sender": "山田太郎 <taro@customer.example>", "subject": "お見積りの件 ABC"},
        {"sender": "Анна <anna@customer.example>", "subject": "Счёт и договор"},
        {"sender": "ada@customer.example <ada@customer.example>"},
        {"sender": "Ada <ada@bücher.example>"},
        {"html": '<a href="https://www.customer.example/x?y=1">www.customer.example</a> <a href="#top">Top</a>'},
        {"html": '<a href="https://click.customer.example/1">customer.example</a>'},
        {"html": '<a href="mailto:a@b.example">write to a@b.example</a>'},
        {"html": '<a href="https://other.example/">Read more</a>'},
        {"subject": "URGENT"},
        {"attachments": (("report.v2.pdf", "application/pdf", b"%PDF"), ("notes.txt", "text/plain", b"x"))},
    ],
)
def test_ordinary_mail_has_no_points(fields: dict[str, Any]) -> None:
    assert reasons(**fields) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"sender": "service@bank.example <x@customer.example>"},
            "4: The author's name is an address of another domain.",
        ),
        (
            {"sender": "Pay <x@xn--pypal-4ve.example>"},  # pаypal with a Cyrillic letter
            "4: The author's domain imitates another one with foreign letters.",
        ),
        ({"sender": "Pаypal <x@customer.example>"}, "2: The author's name has hidden or look-alike characters."),
        ({"subject": "Your inv\u200boice"}, "2: The subject has hidden or look-alike characters."),
        ({"subject": "Yоur account"}, "2: The subject has hidden or look-alike characters."),
        ({"subject": "YOU HAVE WON A PRIZE"}, "1: The subject is all capitals."),
        (
            {"html": '<a href="https://evil.example/">https://www.bank.example/login</a>'},
            "3: A link shows one host and leads to another.",
        ),
        (
            {"html": "<a class=x href='http://bank.example@evil.example/'>go</a>"},
            "2: A link hides its host behind a user name.",
        ),
        ({"html": "<a href=http://203.0.113.5/x>go</a>"}, "2: A link leads to a bare address."),
        ({"html": '<A HREF="JavaScript:alert(1)">go</A>'}, "3: A link runs a program."),
        (
            {"html": '<a href="https://xn--80ak6aa92e.example/">go</a>'},  # аррӏе, all Cyrillic
            "3: A link leads to a domain with look-alike letters.",
        ),
        ({"attachments": (("run.js", "text/javascript", b"x"),)}, "5: An attachment is a program."),
        (
            {"attachments": (("photo.jpg.exe", "image/jpeg", b"x"),)},
            "2: An attachment hides its type behind another ending.",
        ),
        ({"attachments": (("list.XLSM", "application/octet-stream", b"x"),)}, "2: An attachment can hold macros."),
        ({"attachments": (("login.html", "text/html", b"x"),)}, "1: An attachment is a web page."),
        ({"text": f"Hi\n{GTUBE}\n"}, "1000: The test text for spam filters (GTUBE)."),
    ],
)
def test_each_trick_has_its_points(fields: dict[str, Any], reason: str) -> None:
    assert reason in reasons(**fields)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (PROVEN, []),
        (unproven(Result.PASS), []),
        (unproven(), ["1: Neither SPF nor DKIM vouches for any domain."]),
        (unproven(Result.TEMPERROR), []),
        (
            unproven(Result.SOFTFAIL),
            ["1: Neither SPF nor DKIM vouches for any domain.", "1: The sending server is doubtful by SPF."],
        ),
        (
            unproven(Result.FAIL, Result.FAIL),
            [
                "3: The domain of the author has a DMARC policy, and the message fails it.",
                "2: The sending server is not allowed by SPF.",
                "1: Neither SPF nor DKIM vouches for any domain.",
            ],
        ),
    ],
)
def test_failed_authentication_has_points(found: Authentication, expected: list[str]) -> None:
    assert reasons(found) == expected


_IDENTIFIED = b"Message-ID: <1@x>\r\nDate: Mon, 04 May 2026 10:01:12 +0000\r\n\r\nhi\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Subject: x\r\n\r\nhi\r\n", ["3: There is no author.", "1: There is no Date.", "1: There is no Message-ID."]),
        (
            b"From: a@x.example\r\nMessage-ID: <1@x>\r\nDate: Mon, 04 May 2020 10:01:12 +0000\r\n\r\nhi\r\n",
            ["1: The Date is far from now."],
        ),
        (
            b"From: a@x.example\r\nReply-To: b@y.example\r\n" + _IDENTIFIED,
            ["1: Replies go to another domain."],
        ),
        (
            b"From: a@x.example\r\nReply-To: b@y.example\r\nList-Id: <l.x.example>\r\n" + _IDENTIFIED,
            [],
        ),
        (b"not a header\r\n\r\nhi\r\n", ["3: There is no author.", "2: The message is malformed."]),
    ],
)
def test_anomalies_of_the_header(raw: bytes, expected: list[str]) -> None:
    assert [reason for reason in judged(raw).reasons if reason in expected] == expected


def test_points_add_up_against_the_threshold() -> None:
    raw = raw_mail("bot@mail.localhost", attachments=(("run.exe", "application/octet-stream", b"x"),))

    assert (judged(raw).score, judged(raw).threshold, judged(raw).is_spam) == (5, 5, True)
    assert judged(raw, threshold=6).is_spam is False


def test_the_same_trick_counts_once() -> None:
    link = '<a href="http://203.0.113.5/">x</a>'

    assert judged(raw_mail("b@mail.localhost", html=link * 100)).score == 2


@pytest.mark.parametrize(
    "html",
    [
        "<a " * 90_000,
        '<a href="' * 30_000,
        "<a href=" + " " * 250_000,
        '<a href="http://x.example/">' + "<" * 250_000,
        '<a href="http://' + "[" * 200_000,
        '<a href="http://x.example/">a.</a>' * 8_000,
        '<a href="http://x.example/">' + "a." * 125_000 + "</a>",
        "<a>" * 90_000,
    ],
)
def test_hostile_markup_costs_little(html: str) -> None:
    parsed = parse_mail(b"From: a@x.example\r\nContent-Type: text/html\r\n\r\n" + html.encode())
    started = time.perf_counter()

    score(parsed, PROVEN, NOW)

    assert time.perf_counter() - started < 1.5


def test_hostile_names_cost_little() -> None:
    name = "a@" * 2000 + "." * 2000
    raw = f'From: "{name}" <x@y.example>\r\nSubject: {"а" * 900}a\r\nReply-To: {"a@b.example," * 5000}\r\n\r\n'.encode()
    started = time.perf_counter()

    judged(raw)

    assert time.perf_counter() - started < 1.5


@given(st.binary(max_size=400), st.text(max_size=100))
def test_any_message_has_a_finite_score(body: bytes, text: str) -> None:
    raw = f"From: {text} <{text}>\r\nSubject: {text}\r\nContent-Type: text/html\r\n\r\n".encode() + body

    found = judged(raw, unproven())

    assert found.score >= 0
    assert found.is_spam is (found.score >= found.threshold)
    assert len(found.reasons) <= 20
