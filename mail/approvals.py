"""Approval before sending: the state machine. Pure.

A mailbox may need the approval of a person for what its agent sends. Such a message is accepted and held: on the wire
it is `queued` like any other until somebody decides, and `failed` when it is not let through.
"""

from __future__ import annotations

from enum import StrEnum


class ApprovalState(StrEnum):
    """Where a message that was held stands. Wire values (`approval_state` of a message)."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    # The message was deleted before anybody decided.
    WITHDRAWN = "withdrawn"


class ApprovalEvent(StrEnum):
    """What happens to a held message."""

    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


_S, _E = ApprovalState, ApprovalEvent
_OUTCOMES = {_E.APPROVE: _S.APPROVED, _E.REJECT: _S.REJECTED, _E.EXPIRE: _S.EXPIRED, _E.WITHDRAW: _S.WITHDRAWN}


def next_state(state: ApprovalState, event: ApprovalEvent) -> ApprovalState | None:
    """The state after `event`: what is decided stays decided, and deciding the same again is fine. None: refused."""
    outcome = _OUTCOMES[event]
    return outcome if state in (_S.PENDING, outcome) else None
