"""The life of a sending domain: which event leads from which state to which. Pure.

Source: contract mail.md section 3 and identities.md section 16. Clients reject unknown states, so none may be added.
"""

from __future__ import annotations

from enum import StrEnum


class DomainStatus(StrEnum):
    """Wire enum."""

    NOT_STARTED = "not_started"
    AWAITING_OWNERSHIP = "awaiting_ownership"
    PENDING = "pending"
    DNS_INVALID = "dns_invalid"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    FAILED = "failed"
    PENDING_DKIM_ROTATION = "pending_dkim_rotation"
    DEGRADED = "degraded"
    PENDING_DELETION = "pending_deletion"


class DomainEvent(StrEnum):
    """What happens to a domain."""

    # A check of an owned but unverified domain begins.
    CHECK_STARTED = "check_started"
    OWNERSHIP_PROVEN = "ownership_proven"
    # The ownership record is certainly not there (as opposed to: DNS did not answer).
    OWNERSHIP_MISSING = "ownership_missing"
    # Another organization proved ownership, and this one's record is gone.
    OWNERSHIP_LOST = "ownership_lost"
    # What a finished check found about the required records.
    RECORDS_CORRECT = "records_correct"
    RECORDS_WRONG = "records_wrong"
    RECORDS_MISSING = "records_missing"
    CHECK_INCONCLUSIVE = "check_inconclusive"
    WINDOW_ELAPSED = "window_elapsed"
    ROTATION_STARTED = "rotation_started"
    # The new key signs now, or the rotation was given up and the old one stays.
    ROTATION_ENDED = "rotation_ended"
    DELETION_REQUESTED = "deletion_requested"


_S, _E = DomainStatus, DomainEvent
_UNVERIFIED_END = {_E.WINDOW_ELAPSED: _S.FAILED, _E.DELETION_REQUESTED: _S.PENDING_DELETION}
_OWNED_END = {_E.OWNERSHIP_LOST: _S.FAILED, _E.DELETION_REQUESTED: _S.PENDING_DELETION}
# An event that a state does not list leaves it as it is.
TRANSITIONS: dict[DomainStatus, dict[DomainEvent, DomainStatus]] = {
    _S.NOT_STARTED: {
        **_UNVERIFIED_END,
        _E.OWNERSHIP_MISSING: _S.AWAITING_OWNERSHIP,
        _E.OWNERSHIP_PROVEN: _S.PENDING,
    },
    _S.AWAITING_OWNERSHIP: {**_UNVERIFIED_END, _E.OWNERSHIP_PROVEN: _S.PENDING},
    _S.PENDING: {
        **_UNVERIFIED_END,
        **_OWNED_END,
        _E.CHECK_STARTED: _S.VERIFYING,
        _E.OWNERSHIP_MISSING: _S.AWAITING_OWNERSHIP,
    },
    _S.DNS_INVALID: {
        **_UNVERIFIED_END,
        **_OWNED_END,
        _E.CHECK_STARTED: _S.VERIFYING,
        _E.OWNERSHIP_MISSING: _S.AWAITING_OWNERSHIP,
    },
    _S.VERIFYING: {
        **_UNVERIFIED_END,
        **_OWNED_END,
        _E.OWNERSHIP_MISSING: _S.AWAITING_OWNERSHIP,
        _E.RECORDS_CORRECT: _S.VERIFIED,
        _E.RECORDS_WRONG: _S.DNS_INVALID,
        _E.RECORDS_MISSING: _S.PENDING,
        _E.CHECK_INCONCLUSIVE: _S.PENDING,
    },
    _S.VERIFIED: {
        **_OWNED_END,
        _E.OWNERSHIP_MISSING: _S.DEGRADED,
        _E.RECORDS_WRONG: _S.DEGRADED,
        _E.RECORDS_MISSING: _S.DEGRADED,
        _E.ROTATION_STARTED: _S.PENDING_DKIM_ROTATION,
    },
    _S.PENDING_DKIM_ROTATION: {
        **_OWNED_END,
        _E.OWNERSHIP_MISSING: _S.DEGRADED,
        _E.RECORDS_WRONG: _S.DEGRADED,
        _E.RECORDS_MISSING: _S.DEGRADED,
        _E.ROTATION_ENDED: _S.VERIFIED,
    },
    _S.DEGRADED: {**_OWNED_END, _E.RECORDS_CORRECT: _S.VERIFIED},
    _S.PENDING_DELETION: {_E.OWNERSHIP_LOST: _S.FAILED},
    _S.FAILED: {},
}

# The contract: "usable for sending; the only such state". A rotation interrupts nothing, because the old key stays
# published until the new one signs; so mailboxes that exist go on sending, and only new ones have to wait.
SENDING = frozenset({_S.VERIFIED, _S.PENDING_DKIM_ROTATION})
# Was verified once and is still held: its mailboxes receive. Mail must not bounce for a record that broke or for a
# deletion that may be undone.
RECEIVING = frozenset({_S.VERIFIED, _S.PENDING_DKIM_ROTATION, _S.DEGRADED, _S.PENDING_DELETION})
# Has to be verified before the window closes.
UNVERIFIED = frozenset({_S.NOT_STARTED, _S.AWAITING_OWNERSHIP, _S.PENDING, _S.DNS_INVALID, _S.VERIFYING})
# Looked at by the poller.
CHECKED = UNVERIFIED | {_S.VERIFIED, _S.DEGRADED, _S.PENDING_DKIM_ROTATION}


def next_status(status: DomainStatus, event: DomainEvent) -> DomainStatus:
    """The state after `event`."""
    return TRANSITIONS[status].get(event, status)


def restored_status(before: DomainStatus) -> DomainStatus:
    """The state after a deletion was undone. A check that ran meanwhile found nothing out, so it starts again."""
    return _S.PENDING if before is _S.VERIFYING else before
