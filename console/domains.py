"""Sending domains in words: what a state means, what is to be done, and when to look again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from common.clock import now
from mail.dns.records import Purpose
from mail.domain_rendering import RecordReport, record_reports, zone_file
from mail.domain_states import CHECKED, UNVERIFIED, DomainStatus
from mail.models import SendingDomain

_S = DomainStatus
# While a check runs, and while DNS is being waited for.
_POLL_CHECKING_SECONDS = 3
_POLL_WAITING_SECONDS = 15
_WORDS: dict[DomainStatus, tuple[str, str, str]] = {
    _S.NOT_STARTED: ("info", "not checked yet", "The first look at DNS is about to begin."),
    _S.AWAITING_OWNERSHIP: (
        "warn",
        "waits for ownership",
        "Publish the ownership record. It shows that the domain is yours, before anything else is looked at.",
    ),
    _S.PENDING: ("warn", "waits for records", "Ownership is proven. Publish the records that are missing."),
    _S.DNS_INVALID: ("bad", "records are wrong", "Records were found that are not right. Each says below what to do."),
    _S.VERIFYING: ("info", "checking", "DNS is being asked right now."),
    _S.VERIFIED: ("good", "verified", "Mail of this domain is sent, signed and received."),
    _S.FAILED: ("bad", "failed", ""),
    _S.PENDING_DKIM_ROTATION: (
        "info",
        "changing keys",
        "Publish the new DKIM records within 72 hours. The old keys sign until the new ones are visible.",
    ),
    _S.DEGRADED: (
        "bad",
        "degraded",
        "A record broke. Mail is still received, but nothing is sent until it is repaired.",
    ),
    _S.PENDING_DELETION: ("bad", "being deleted", "Nothing is sent any more. Until it is gone, this can be undone."),
}
_PURPOSES = {
    Purpose.OWNERSHIP: "Shows that the domain is yours",
    Purpose.SPF: "Permits this server to send (SPF)",
    Purpose.DKIM: "Verifies signatures (DKIM)",
    Purpose.DMARC: "Tells receivers what to do with forgeries (DMARC)",
    Purpose.MX: "Brings mail here (MX)",
    Purpose.RETURN_PATH: "Brings bounces back (return path)",
}


@dataclass(frozen=True, slots=True)
class DomainSummary:
    """A domain in a list."""

    row: SendingDomain
    tone: str
    label: str
    sentence: str

    @property
    def can_be_default(self) -> bool:
        return self.row.state is DomainStatus.VERIFIED and not self.row.is_default


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A record with its purpose in words."""

    report: RecordReport
    purpose: str


@dataclass(frozen=True, slots=True)
class DomainDetail:
    """A domain on its page. `stamp` changes when the page would; `poll_seconds` is None when nothing will change."""

    summary: DomainSummary
    records: list[ShownRecord]
    zone: str
    stamp: str
    poll_seconds: int | None

    @property
    def is_checked(self) -> bool:
        """Whether "check now" makes sense."""
        return self.summary.row.state in CHECKED


def summarize_domain(row: SendingDomain) -> DomainSummary:
    """In words."""
    tone, label, sentence = _WORDS[row.state]
    return DomainSummary(row, tone, label, row.failure_reason or sentence)


def describe_domain(row: SendingDomain) -> DomainDetail:
    """With its records; one query."""
    reports = record_reports(row)
    records = [ShownRecord(report, _PURPOSES[report.record.purpose]) for report in reports]
    shown = [row.status, row.results, row.failure_reason, row.is_default, [r.record.value for r in reports]]
    stamp = hashlib.sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return DomainDetail(summarize_domain(row), records, zone_file(reports), stamp, _poll_seconds(row))


def _poll_seconds(row: SendingDomain) -> int | None:
    is_busy = row.checking_until is not None and row.checking_until > now()
    if is_busy or row.state in (DomainStatus.NOT_STARTED, DomainStatus.VERIFYING):
        return _POLL_CHECKING_SECONDS
    is_waiting = row.state in UNVERIFIED or row.state in (DomainStatus.PENDING_DKIM_ROTATION, DomainStatus.DEGRADED)
    return _POLL_WAITING_SECONDS if is_waiting else None
