"""Refusals of decisions about held mail."""

from __future__ import annotations

from common.errors import Conflict, Forbidden, NotFound
from mail.approvals import ApprovalState

_WHAT = {
    ApprovalState.APPROVED: "was approved",
    ApprovalState.REJECTED: "was rejected",
    ApprovalState.EXPIRED: "was not decided in time",
    ApprovalState.WITHDRAWN: "was deleted",
}


class ApprovalNotFound(NotFound):
    """No such held message for this caller."""

    def __init__(self) -> None:
        super().__init__("No message with this id is or was held")


class ApprovalDecided(Conflict):
    """Somebody was faster, or the time is over."""

    code = "approval_decided"

    def __init__(self, state: ApprovalState) -> None:
        super().__init__(f"This message {_WHAT[state]}. Nothing was changed.", state=state.value)


class ApprovalForManagers(Forbidden):
    """Whose mail is held does not let it through."""

    def __init__(self) -> None:
        super().__init__("Only an admin key, an owner or an admin may decide about held mail.")
