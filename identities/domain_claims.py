"""The life of an organization's claim on a domain: states, when it is looked at, what to publish. Pure.

Source: contract identities.md section 17. It proves control of a name's DNS, to be shown next to an agent; mail on a
domain is another matter (mail/domain_states.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from common.dns import DnsAnswer, DnsOutcome

RECORD_LABEL = "_inkbox"
RECORD_PREFIX = "inkbox-domain-verification="
# Leaves room for the label of the record.
DOMAIN_MAX_CHARS = 240


class ClaimState(StrEnum):
    """Wire enum; clients take unknown values."""

    PENDING = "pending"
    VERIFIED = "verified"
    # The record is gone, what it proved is believed a while longer.
    GRACE = "grace"
    EXPIRED = "expired"
    # It was never verified in time.
    PENDING_EXPIRED = "pending_expired"
    RELEASED = "released"


class CheckResult(StrEnum):
    """What a look at DNS found; also the wire values of `last_check_result`."""

    FOUND = "record_found"
    # There is none at all.
    MISSING = "record_missing"
    # There are others.
    MISMATCH = "record_mismatch"
    # DNS did not answer: nothing to act upon.
    UNANSWERED = "dns_unavailable"


class ClaimEvent(StrEnum):
    """What happens to a claim."""

    PROVEN = "proven"
    NOT_PROVEN = "not_proven"
    UNANSWERED = "unanswered"
    WINDOW_ELAPSED = "window_elapsed"
    VALIDITY_ELAPSED = "validity_elapsed"
    RESTARTED = "restarted"
    RELEASED = "released"


_S, _E = ClaimState, ClaimEvent
_RELEASABLE = {_E.RELEASED: _S.RELEASED}
# An event that a state does not list leaves it as it is.
TRANSITIONS: dict[ClaimState, dict[ClaimEvent, ClaimState]] = {
    _S.PENDING: {**_RELEASABLE, _E.PROVEN: _S.VERIFIED, _E.WINDOW_ELAPSED: _S.PENDING_EXPIRED},
    # DNS that never answers proves nothing either: without a success the validity ends here too.
    _S.VERIFIED: {**_RELEASABLE, _E.NOT_PROVEN: _S.GRACE, _E.VALIDITY_ELAPSED: _S.EXPIRED},
    _S.GRACE: {**_RELEASABLE, _E.PROVEN: _S.VERIFIED, _E.VALIDITY_ELAPSED: _S.EXPIRED},
    _S.EXPIRED: {**_RELEASABLE, _E.PROVEN: _S.VERIFIED, _E.RESTARTED: _S.PENDING},
    _S.PENDING_EXPIRED: {**_RELEASABLE, _E.PROVEN: _S.VERIFIED, _E.RESTARTED: _S.PENDING},
    _S.RELEASED: {},
}
# What the domain proves is shown.
PUBLISHED = frozenset({_S.VERIFIED, _S.GRACE})
# Looked at without being asked to.
POLLED = frozenset({_S.PENDING, _S.VERIFIED, _S.GRACE})
# May be looked at.
CHECKED = frozenset(_S) - {_S.RELEASED}

_EVENTS = {
    CheckResult.FOUND: _E.PROVEN,
    CheckResult.MISSING: _E.NOT_PROVEN,
    CheckResult.MISMATCH: _E.NOT_PROVEN,
    CheckResult.UNANSWERED: _E.UNANSWERED,
}
_SHORTEST = timedelta(seconds=30)
_LONGEST_WAITING = timedelta(hours=1)
_GRACE = timedelta(hours=1)
_UNANSWERED = timedelta(hours=1)
_HEALTHY = timedelta(hours=24)


def next_state(state: ClaimState, event: ClaimEvent) -> ClaimState:
    """The state after `event`."""
    return TRANSITIONS[state].get(event, state)


def event_of(result: CheckResult) -> ClaimEvent:
    """What a result means for a claim."""
    return _EVENTS[result]


def check_delay(state: ClaimState, waiting: timedelta, result: CheckResult) -> timedelta:
    """How long until the next look, which lies a sixth of the `waiting` time ahead for somebody who has just published
    the record, up to an hour."""
    if state is _S.PENDING:
        return min(max(waiting / 6, _SHORTEST), _LONGEST_WAITING)
    if state is _S.GRACE:
        return _GRACE
    return _UNANSWERED if result is CheckResult.UNANSWERED else _HEALTHY


def record_name(domain: str) -> str:
    """Where the TXT record stands."""
    return f"{RECORD_LABEL}.{domain}"


def record_value(token: str) -> str:
    """What it says."""
    return f"{RECORD_PREFIX}{token}"


def judge_answer(answer: DnsAnswer, token: str) -> CheckResult:
    """Whether the record of `token` is among the TXT records found."""
    if not answer.is_conclusive:
        return CheckResult.UNANSWERED
    values = _texts(answer.values)
    if record_value(token) in values:
        return CheckResult.FOUND
    return CheckResult.MISMATCH if answer.outcome is DnsOutcome.FOUND else CheckResult.MISSING


def _texts(values: Sequence[str]) -> set[str]:
    # Some DNS panels keep the quotes that people paste.
    return {value.strip().strip('"') for value in values}


def recovery_action(
    state: ClaimState, result: CheckResult | None, domain: str, valid_until: datetime | None
) -> str | None:
    """What the organization has to do next, as a sentence; None when there is nothing to do."""
    name = record_name(domain)
    if state is _S.PENDING:
        if result is CheckResult.MISMATCH:
            return f"{name} has other TXT records, but not this one. Add it exactly as shown."
        return f"Publish the TXT record at {name}. New records can take an hour to be visible."
    if state is _S.GRACE and valid_until is not None:
        return f"The TXT record at {name} is gone. Publish it again before {valid_until:%Y-%m-%d %H:%M} UTC."
    if state in (_S.EXPIRED, _S.PENDING_EXPIRED):
        return f"Publish the TXT record at {name}, then verify the domain."
    if state is _S.RELEASED:
        return "Claim the domain again."
    return None
