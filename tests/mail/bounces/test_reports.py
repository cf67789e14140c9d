"""Reports, as standard and as careless as they come."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.bounces.reports import Action, RecipientReport, Report, failures_in_text, parse_report
from mail.mime.headers import HeaderTooLarge
from tests.factories.mail import raw_mail
from tests.factories.reports import complaint, delivery_report, failed, plain_bounce

ADA, BOB = "ada@customer.example", "bob@customer.example"
QMAIL = """Hi. This is the qmail-send program at mx.customer.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@customer.example>:
Sorry, no mailbox here by that name. (#5.1.1)

<bob@customer.example>:
192.0.2.7 does not like recipient.
Remote host said: 452 4.2.2 over quota

--- Below this line is a copy of the message.
"""
EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ada@customer.example
    host mx.customer.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<ada@customer.example>:
    550 5.1.1 no such user
"""


def parsed(raw: bytes) -> Report:
    report = parse_report(raw)
    assert report is not None
    return report


def test_a_standard_report_names_recipients_actions_and_the_original() -> None:
    report = parsed(
        delivery_report(
            failed(ADA),
            failed(BOB, action="delayed", status="4.4.1", said="connection timed out"),
            failed("carol@customer.example", action="relayed", status="2.0.0", said="ok"),
            failed("dave@customer.example", action="Delivered (to mailbox)", status="2.0.0", said="ok"),
        )
    )

    assert report.original_message_id == "<m1@mail.localhost>"
    assert report.recipients == (
        RecipientReport((ADA,), Action.FAILED, "550 5.1.1 User unknown"),
        RecipientReport((BOB,), Action.DELAYED, "4.4.1 connection timed out"),
        RecipientReport(("carol@customer.example",), Action.RELAYED, "2.0.0 ok"),
        RecipientReport(("dave@customer.example",), Action.DELIVERED, "2.0.0 ok"),
    )
    assert [row.is_temporary for row in report.recipients] == [False, True, False, False]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # What was asked for comes first, then where it failed.
        (
            f"Original-Recipient: rfc822;{ADA}\r\n{failed('list@inside.example')}",
            RecipientReport((ADA, "list@inside.example"), Action.FAILED, "550 5.1.1 User unknown"),
        ),
        # Folded, other case, no type, angle brackets, a comment.
        (
            (
                f"FINAL-RECIPIENT: <{ADA.upper()}>\r\naction:  FAILED (permanently)\r\nstatus: 5.2.1 (disabled)\r\n"
                "Diagnostic-code: X-Postfix;\r\n mailbox\r\n\tdisabled"
            ),
            RecipientReport((ADA,), Action.FAILED, "5.2.1 mailbox disabled"),
        ),
        # Some leave the action out.
        (f"Final-Recipient: rfc822;{ADA}\r\nStatus: 5.0.0", RecipientReport((ADA,), Action.FAILED, "5.0.0")),
        (f"Final-Recipient: rfc822;{ADA}\r\nStatus: 4.0.0", RecipientReport((ADA,), Action.DELAYED, "4.0.0")),
        # Given up after a temporary error.
        (
            failed(ADA, status="4.4.7", said="421 queue expired"),
            RecipientReport((ADA,), Action.FAILED, "4.4.7 421 queue expired"),
        ),
    ],
)
def test_careless_spellings(fields: str, expected: RecipientReport) -> None:
    assert parsed(delivery_report(fields)).recipients == (expected,)


@pytest.mark.parametrize(
    "fields", ["", "Action: failed\r\nStatus: 5.1.1", f"Final-Recipient: rfc822;{ADA}\r\nAction: exploded", "\x00\xff"]
)
def test_blocks_that_say_nothing_are_left_out(fields: str) -> None:
    assert parsed(delivery_report(fields)).recipients == ()


def test_an_internationalized_report() -> None:
    report = parsed(
        delivery_report(
            "Final-Recipient: utf-8; grüße@x.example\r\nAction: failed\r\nStatus: 5.1.1",
            status_type="message/global-delivery-status",
        )
    )

    assert report.recipients[0].addresses == ("grüße@x.example",)


@pytest.mark.parametrize(
    ("kind", "about", "expected"),
    [
        ("abuse", ADA, (RecipientReport((ADA,), Action.COMPLAINED, "Complaint (abuse)."),)),
        ("fraud", None, (RecipientReport((), Action.COMPLAINED, "Complaint (fraud)."),)),
        ("not-spam", ADA, ()),
        ("auth-failure", ADA, ()),
    ],
)
def test_complaints(kind: str, about: str | None, expected: tuple[RecipientReport, ...]) -> None:
    report = parsed(complaint(kind, about=about))

    assert report.recipients == expected
    assert report.original_message_id == "<m1@mail.localhost>"


def test_qmail_writes_prose() -> None:
    report = parsed(plain_bounce(QMAIL, sender="MAILER-DAEMON@mx.customer.example", subject="failure notice"))

    assert report.recipients == ()
    found = failures_in_text(report, [ADA, BOB])
    assert [(row.addresses, row.detail[:5]) for row in found] == [((ADA,), "5.1.1")]


def test_exim_names_the_address_in_a_header() -> None:
    raw = plain_bounce(
        EXIM,
        sender="Mail Delivery System <Mailer-Daemon@mx.customer.example>",
        subject="Mail delivery failed: returning message to sender",
        headers=[f"X-Failed-Recipients: {ADA}"],
    )

    (report,) = parsed(raw).recipients
    assert (report.addresses, report.action) == ((ADA,), Action.FAILED)
    assert report.detail.startswith("550 5.1.1 no such user")


def test_a_sole_recipient_need_not_be_named() -> None:
    text = "Your message could not be delivered.\n550 5.7.1 rejected by policy\n"
    report = parsed(plain_bounce(text, sender="postmaster@x.example", subject="Undeliverable: Hello"))

    assert [row.detail for row in failures_in_text(report, [ADA])] == ["550 5.7.1 rejected by policy"]
    assert failures_in_text(report, [ADA, BOB]) == []


@pytest.mark.parametrize(
    "text",
    [
        f"{ADA}: 550 5.1.1\nYour message has been delayed and will be retried. No action is required.",
        f"Warning message only: {ADA} 5.1.1",
        f"{ADA} is on holiday",
    ],
)
def test_a_delay_or_plain_talk_is_no_failure(text: str) -> None:
    report = parsed(plain_bounce(text, sender="MAILER-DAEMON@x.example", subject="Delivery report"))

    assert failures_in_text(report, [ADA]) == []


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("Ada <ada@customer.example>", "Re: Hello"),
        ("Ada <ada@customer.example>", "Undeliverable parcel"),
        ("MAILER-DAEMON@x.example", "Out of office"),
    ],
)
def test_what_people_and_holiday_notices_write_is_no_report(sender: str, subject: str) -> None:
    assert parse_report(raw_mail("bot@mail.localhost", sender=sender, subject=subject)) is None


@given(st.binary(max_size=3000))
def test_any_bytes_are_read(raw: bytes) -> None:
    report = parse_report(raw)

    assert report is None or all("@" in address for row in report.recipients for address in row.addresses)


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=200), max_size=8))
def test_any_fields_are_read_and_can_be_stored(blocks: list[str]) -> None:
    for head in ("", f"Final-Recipient: rfc822; {ADA}\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp;"):
        report = parsed(delivery_report(*[head + block for block in blocks]))
        for row in report.recipients:
            assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in row.detail)
            assert len(row.detail) <= 500


@given(st.text(max_size=2000), st.lists(st.emails(), max_size=5))
def test_failures_are_always_of_known_addresses(text: str, known: list[str]) -> None:
    found = failures_in_text(Report((), None, text), known)

    assert {row.addresses[0] for row in found} <= set(known)


@pytest.mark.parametrize(
    "raw",
    [
        delivery_report(*["x: y"] * 100_000),
        delivery_report("Final-Recipient: " + "a" * 2_000_000),
        delivery_report("\r\n" * 1_000_000),
        plain_bounce("550 " * 500_000, sender="MAILER-DAEMON@x", subject="failure notice"),
        plain_bounce(
            "x",
            sender="MAILER-DAEMON@x",
            subject="failure notice",
            headers=["X-Failed-Recipients: " + "a@b," * 100_000],
        ),
    ],
)
def test_hostile_reports_cost_little(raw: bytes) -> None:
    started = time.perf_counter()
    report = parsed(raw)
    failures_in_text(report, [f"a{n}@x.example" for n in range(50)])

    assert time.perf_counter() - started < 2
    assert len(report.recipients) <= 500


def test_an_oversized_header_is_refused_as_everywhere() -> None:
    with pytest.raises(HeaderTooLarge):
        parse_report(b"X: y\r\n" * 400_000)
