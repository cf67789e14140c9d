"""Claims on domains in words: what a state means, what was found in DNS, and when to look again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from common.clock import now
from common.principal import Principal
from identities.domain_claims import CHECKED, POLLED, PUBLISHED, CheckResult, ClaimState
from identities.models import AgentIdentity, OrganizationDomain

# While a check runs, and while the record is being waited for.
_POLL_CHECKING_SECONDS = 3
_POLL_WAITING_SECONDS = 15
_PROVEN = "Agents may show it. The record is looked for every day, so leave it where it is."
_LABELS: dict[ClaimState, tuple[str, str]] = {
    ClaimState.PENDING: ("warn", "waits for the record"),
    ClaimState.VERIFIED: ("good", "proven"),
    ClaimState.GRACE: ("bad", "record is gone"),
    ClaimState.EXPIRED: ("bad", "expired"),
    ClaimState.PENDING_EXPIRED: ("bad", "not proven in time"),
    ClaimState.RELEASED: ("", "released"),
}
_RESULTS: dict[CheckResult, tuple[str, str]] = {
    CheckResult.FOUND: ("good", "found"),
    CheckResult.MISSING: ("warn", "missing"),
    CheckResult.MISMATCH: ("bad", "other records only"),
    CheckResult.UNANSWERED: ("", "DNS did not answer"),
}
_NOT_LOOKED_FOR = ("", "not looked for yet")


@dataclass(frozen=True, slots=True)
class ClaimSummary:
    """A claim in a list."""

    row: OrganizationDomain
    tone: str
    label: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ClaimDetail:
    """A claim on its page. `found` is what the last look at DNS came to, with its tone; `stamp` changes when the page
    would; `poll_seconds` is None when nothing will change.
    """

    summary: ClaimSummary
    found: tuple[str, str]
    stamp: str
    poll_seconds: int | None

    @property
    def is_busy(self) -> bool:
        """Whether DNS is being asked right now."""
        return _is_busy(self.summary.row)

    @property
    def is_checked(self) -> bool:
        """Whether "verify now" makes sense."""
        return self.summary.row.status in CHECKED

    @property
    def is_proven(self) -> bool:
        """Whether agents that chose it show it."""
        return self.summary.row.status in PUBLISHED


@dataclass(frozen=True, slots=True)
class Showing:
    """The agents that show a domain, and those that could, by handle."""

    agents: list[AgentIdentity]
    others: list[AgentIdentity]


def summarize_claim(row: OrganizationDomain) -> ClaimSummary:
    """In words."""
    tone, label = _LABELS[row.status]
    if row.ownership_conflict:
        tone = "bad"
    return ClaimSummary(row, tone, label, row.recovery_action or _PROVEN)


def describe_claim(row: OrganizationDomain) -> ClaimDetail:
    """With what was found."""
    found = _RESULTS[CheckResult(row.last_check_result)] if row.last_check_result else _NOT_LOOKED_FOR
    shown = [row.state, row.last_check_result, row.last_checked_at, row.ownership_conflict, row.valid_until]
    stamp = hashlib.sha256(orjson.dumps(shown)).hexdigest()[:16]
    return ClaimDetail(summarize_claim(row), found, stamp, _poll_seconds(row))


def find_showing(principal: Principal, row: OrganizationDomain) -> Showing:
    """Which agents show a claimed domain. One query."""
    rows = AgentIdentity.objects.visible_to(principal).select_related("domain_affiliation")
    showing = Showing([], [])
    for identity in rows.order_by("agent_handle", "pk"):
        chosen = getattr(identity, "domain_affiliation", None)
        is_showing = chosen is not None and chosen.claim_id == row.pk
        (showing.agents if is_showing else showing.others).append(identity)
    return showing


def _poll_seconds(row: OrganizationDomain) -> int | None:
    if _is_busy(row):
        return _POLL_CHECKING_SECONDS
    return _POLL_WAITING_SECONDS if row.status in POLLED and row.status is not ClaimState.VERIFIED else None


def _is_busy(row: OrganizationDomain) -> bool:
    return row.checking_until is not None and row.checking_until > now()
