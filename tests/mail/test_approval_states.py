"""The state machine of approvals: every state, every event."""

from __future__ import annotations

import pytest

from mail.approvals import ApprovalEvent, ApprovalState, next_state

S, E = ApprovalState, ApprovalEvent
TABLE = {
    (S.PENDING, E.APPROVE): S.APPROVED,
    (S.PENDING, E.REJECT): S.REJECTED,
    (S.PENDING, E.EXPIRE): S.EXPIRED,
    (S.PENDING, E.WITHDRAW): S.WITHDRAWN,
    # The same again changes nothing; anything else is refused.
    (S.APPROVED, E.APPROVE): S.APPROVED,
    (S.REJECTED, E.REJECT): S.REJECTED,
    (S.EXPIRED, E.EXPIRE): S.EXPIRED,
    (S.WITHDRAWN, E.WITHDRAW): S.WITHDRAWN,
}


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("event", E)
def test_every_event_in_every_state(state: ApprovalState, event: ApprovalEvent) -> None:
    assert next_state(state, event) == TABLE.get((state, event))
