"""What a refusal says about an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.bounces.refusals import enhanced_status, is_temporary, suppression_reason
from mail.enums import SuppressionReason

HARD, FULL = SuppressionReason.HARD_BOUNCE, SuppressionReason.MAILBOX_FULL


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 5.1.1 The email account that you tried to reach does not exist.", HARD),
        ("550-5.1.1 <ada@x.example>: Recipient address rejected: User unknown", HARD),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", HARD),
        ("556 5.1.10 The domain accepts no mail (null MX).", HARD),
        ("554 5.2.1 The account is disabled.", HARD),
        ("550 No such user here", HARD),
        ("550 <ada@x.example>: User unknown in virtual mailbox table", HARD),
        ("553 mailbox not found", HARD),
        ("552 5.2.2 Mailbox full", FULL),
        ("554 over quota", FULL),
        # About the message, the sender or the moment:
        ("550 5.7.1 Blocked. User unknown to our reputation system", None),
        ("554 5.7.26 Unauthenticated mail is prohibited", None),
        ("552 5.3.4 Message size exceeds fixed limit", None),
        ("550 5.4.1 Recipient address rejected: Access denied", None),
        ("554 Transaction failed", None),
        ("550 relay not permitted", None),
        # Temporary ones never count, whatever their words are.
        ("450 4.1.1 User unknown", None),
        ("452 4.2.2 over quota", None),
        ("450 mailbox unavailable, user unknown", None),
        ("", None),
        ("Every retry was exhausted.", None),
    ],
)
def test_only_words_about_the_address_suppress_it(text: str, reason: SuppressionReason | None) -> None:
    assert suppression_reason(text) is reason


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("550 5.1.1 x", "5.1.1"),
        ("from 10.5.1.1.9", None),
        ("version 5.1.1.2", None),
        ("(4.7.0)", "4.7.0"),
        ("250", None),
    ],
)
def test_a_status_is_no_part_of_an_address(text: str, status: str | None) -> None:
    assert enhanced_status(text) == status


@given(st.text(max_size=400))
def test_any_text_is_judged(text: str) -> None:
    if is_temporary(text):
        assert suppression_reason(text) is None
    assert suppression_reason(text) in (None, HARD, FULL)


def test_hostile_text_costs_little() -> None:
    assert suppression_reason("user " * 100_000) is None
    assert suppression_reason("5." * 100_000) is None
