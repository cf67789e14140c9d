"""What the pages about held mail show, and the sentences that say who decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from common.principal import Principal
from identities.models import User
from mail.approval_selectors import list_decided, list_waiting
from mail.approvals import ApprovalState
from mail.models import Approval

_OUTCOMES = {
    ApprovalState.APPROVED: "approved this mail before you. It is sent once, as they approved it.",
    ApprovalState.REJECTED: "rejected this mail before you. It was not sent.",
}
_OWN_OUTCOMES = {
    ApprovalState.APPROVED: "You have approved this mail already. It is sent once.",
    ApprovalState.REJECTED: "You have rejected this mail already. It was not sent.",
}
_EXPIRED = "The time to decide is over. This mail was not sent."


@dataclass(frozen=True, slots=True)
class HeldMail:
    """One message that is or was held. `decided_by` is empty while nobody has decided."""

    approval: Approval
    decided_by: str

    @property
    def state(self) -> ApprovalState:
        return ApprovalState(self.approval.message.approval_state or ApprovalState.PENDING)

    @property
    def is_waiting(self) -> bool:
        return self.state is ApprovalState.PENDING


def waiting_rows(principal: Principal, limit: int, offset: int = 0) -> list[HeldMail]:
    """What waits, longest first. One query."""
    return [HeldMail(row, "") for row in list_waiting(principal, limit, offset)]


def decided_rows(principal: Principal, limit: int, offset: int = 0) -> list[HeldMail]:
    """What was decided last, and by whom. Two queries."""
    return with_names(list_decided(principal, limit, offset))


def with_names(rows: Iterable[Approval]) -> list[HeldMail]:
    """With the people who decided; at most one query."""
    found = list(rows)
    ids = {row.decided_by_id for row in found if row.decided_by_id}
    people = User.objects.filter(pk__in=ids).only("name", "email") if ids else ()
    names = {person.pk: person.name or person.email for person in people}
    return [HeldMail(row, _name(row, names)) for row in found]


def outcome_of(held: HeldMail, user: User) -> str:
    """What became of a decision of `user` that came too late, as a sentence."""
    if held.state not in _OUTCOMES:
        return _EXPIRED
    if held.approval.decided_by_id == user.pk:
        return _OWN_OUTCOMES[held.state]
    return f"{held.decided_by} {_OUTCOMES[held.state]}"


def _name(row: Approval, names: dict[str, str]) -> str:
    if row.decided_at is None:
        return ""
    # Keys decide too; and whose account is gone is still somebody.
    return names.get(row.decided_by_id, "Somebody" if row.decided_by_id else "An API key")
