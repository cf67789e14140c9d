"""The state machine of claims, and what is pure beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.dns import DnsAnswer, DnsOutcome
from identities.domain_claims import (
    CHECKED,
    POLLED,
    PUBLISHED,
    CheckResult,
    ClaimEvent,
    ClaimState,
    check_delay,
    event_of,
    judge_answer,
    next_state,
    record_name,
    record_value,
    recovery_action,
)

S, E = ClaimState, ClaimEvent
# One row a state, in the order of the events; `-` is the same state.
EVENTS = (E.PROVEN, E.NOT_PROVEN, E.UNANSWERED, E.WINDOW_ELAPSED, E.VALIDITY_ELAPSED, E.RESTARTED, E.RELEASED)
TABLE = {
    S.PENDING: ("verified", "-", "-", "pending_expired", "-", "-", "released"),
    S.VERIFIED: ("-", "grace", "-", "-", "expired", "-", "released"),
    S.GRACE: ("verified", "-", "-", "-", "expired", "-", "released"),
    S.EXPIRED: ("verified", "-", "-", "-", "-", "pending", "released"),
    S.PENDING_EXPIRED: ("verified", "-", "-", "-", "-", "pending", "released"),
    S.RELEASED: ("-", "-", "-", "-", "-", "-", "-"),
}
CASES = [
    (state, event, state if after == "-" else S(after))
    for state, row in TABLE.items()
    for event, after in zip(EVENTS, row, strict=True)
]


@pytest.mark.parametrize(("state", "event", "after"), CASES)
def test_every_state_with_every_event(state: ClaimState, event: ClaimEvent, after: ClaimState) -> None:
    assert next_state(state, event) is after


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(ClaimState)
    assert set(EVENTS) == set(ClaimEvent)
    assert set(POLLED) == {S.PENDING, S.VERIFIED, S.GRACE}
    assert set(PUBLISHED) == {S.VERIFIED, S.GRACE}
    assert set(ClaimState) - CHECKED == {S.RELEASED}


def test_the_wire_values_are_those_of_the_contract() -> None:
    assert [state.value for state in ClaimState] == [
        "pending",
        "verified",
        "grace",
        "expired",
        "pending_expired",
        "released",
    ]


@pytest.mark.parametrize(
    ("answer", "result", "event"),
    [
        (DnsAnswer(DnsOutcome.FOUND, ("inkbox-domain-verification=abc",)), CheckResult.FOUND, E.PROVEN),
        (DnsAnswer(DnsOutcome.FOUND, ("x", ' "inkbox-domain-verification=abc" ')), CheckResult.FOUND, E.PROVEN),
        (DnsAnswer(DnsOutcome.FOUND, ("inkbox-domain-verification=ab",)), CheckResult.MISMATCH, E.NOT_PROVEN),
        (DnsAnswer(DnsOutcome.FOUND, ("inkbox-domain-verification=ABC",)), CheckResult.MISMATCH, E.NOT_PROVEN),
        (DnsAnswer(DnsOutcome.NXDOMAIN), CheckResult.MISSING, E.NOT_PROVEN),
        (DnsAnswer(DnsOutcome.NODATA), CheckResult.MISSING, E.NOT_PROVEN),
        (DnsAnswer(DnsOutcome.SERVFAIL), CheckResult.UNANSWERED, E.UNANSWERED),
        (DnsAnswer(DnsOutcome.TIMEOUT), CheckResult.UNANSWERED, E.UNANSWERED),
    ],
)
def test_what_an_answer_of_dns_means(answer: DnsAnswer, result: CheckResult, event: ClaimEvent) -> None:
    assert judge_answer(answer, "abc") is result
    assert event_of(result) is event


def test_the_record() -> None:
    assert record_name("acme.org") == "_inkbox.acme.org"
    assert record_value("abc") == "inkbox-domain-verification=abc"


@pytest.mark.parametrize(
    ("state", "waiting", "result", "delay"),
    [
        (S.PENDING, timedelta(0), CheckResult.MISSING, timedelta(seconds=30)),
        (S.PENDING, timedelta(hours=1), CheckResult.MISSING, timedelta(minutes=10)),
        (S.PENDING, timedelta(days=3), CheckResult.UNANSWERED, timedelta(hours=1)),
        (S.VERIFIED, timedelta(days=9), CheckResult.FOUND, timedelta(hours=24)),
        (S.VERIFIED, timedelta(days=9), CheckResult.UNANSWERED, timedelta(hours=1)),
        (S.GRACE, timedelta(days=9), CheckResult.MISSING, timedelta(hours=1)),
    ],
)
def test_when_it_is_looked_at_again(
    state: ClaimState, waiting: timedelta, result: CheckResult, delay: timedelta
) -> None:
    assert check_delay(state, waiting, result) == delay


@pytest.mark.parametrize(
    ("state", "result", "says"),
    [
        (S.PENDING, None, "Publish the TXT record at _inkbox.acme.org."),
        (S.PENDING, CheckResult.MISMATCH, "_inkbox.acme.org has other TXT records"),
        (S.VERIFIED, CheckResult.FOUND, None),
        (S.GRACE, CheckResult.MISSING, "Publish it again before 2026-11-22 10:00 UTC."),
        (S.EXPIRED, CheckResult.MISSING, "then verify the domain"),
        (S.PENDING_EXPIRED, CheckResult.MISSING, "then verify the domain"),
        (S.RELEASED, None, "Claim the domain again."),
    ],
)
def test_what_there_is_to_do(state: ClaimState, result: CheckResult | None, says: str | None) -> None:
    action = recovery_action(state, result, "acme.org", datetime(2026, 11, 22, 10, tzinfo=UTC))

    assert action is None if says is None else says in (action or "")
