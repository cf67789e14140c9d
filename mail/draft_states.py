"""What may be done to a draft in which state (contract mail.md 7.4). Pure.

A draft that is being sent is claimed for a short time; a claim that runs out belongs to a process that died. Acceptance
and removal of the draft are one commit, so such a draft was not sent and is a draft again. Nothing on this server ends
as `uncertain` for the same reason; a row that says so (restored, or set by an operator) is honoured.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from common.errors import DomainError
from mail.draft_errors import DraftDeliveryUncertain, DraftSendInProgress


class SendState(StrEnum):
    """Wire enum."""

    DRAFT = "draft"
    SENDING = "sending"
    UNCERTAIN = "uncertain"


class DraftAction(StrEnum):
    """What callers do."""

    EDIT = "edit"
    SEND = "send"
    DUPLICATE = "duplicate"
    DELETE = "delete"


ALLOWED: dict[SendState, frozenset[DraftAction]] = {
    SendState.DRAFT: frozenset(DraftAction),
    SendState.SENDING: frozenset(),
    SendState.UNCERTAIN: frozenset({DraftAction.DUPLICATE, DraftAction.DELETE}),
}


def effective_state(state: str, claimed_until: datetime | None, moment: datetime) -> SendState:
    """The state at `moment`: a claim that ran out is none."""
    is_over = state == SendState.SENDING and (claimed_until is None or claimed_until <= moment)
    return SendState.DRAFT if is_over else SendState(state)


def refusal(state: SendState, action: DraftAction) -> DomainError | None:
    """Why `action` is not allowed now, None when it is."""
    if action in ALLOWED[state]:
        return None
    return DraftSendInProgress() if state is SendState.SENDING else DraftDeliveryUncertain()
