"""What a domain publishes and what was found of it, for the API, the admin and the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mail.dns.records import UNCHECKED, DnsRecord, RecordState, Verdict
from mail.models import SendingDomain
from mail.services.domain_checks import domain_records
from mail.services.domain_keys import keys_of


@dataclass(frozen=True, slots=True)
class RecordReport:
    """A record to publish and the verdict of the last check."""

    record: DnsRecord
    verdict: Verdict

    @property
    def is_correct(self) -> bool | None:
        """None when DNS has not said yet."""
        return None if self.verdict.state is RecordState.UNKNOWN else self.verdict.state is RecordState.OK


def record_reports(row: SendingDomain) -> list[RecordReport]:
    """Every record of a domain; one query for its keys."""
    return [RecordReport(record, _verdict(row.results.get(record.key))) for record in domain_records(row, keys_of(row))]


def zone_file(reports: Sequence[RecordReport]) -> str:
    """The records as lines of a zone file, to copy."""
    return "".join(f"{report.record.zone_line}\n" for report in reports)


def record_body(report: RecordReport) -> dict[str, Any]:
    """One entry of `dns_records`."""
    record, verdict = report.record, report.verdict
    return {
        "purpose": record.purpose.value,
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "required": record.is_required,
        "status": verdict.state.value,
        "ok": report.is_correct,
        "found": list(verdict.found),
        "remedy": verdict.remedy or None,
    }


def _verdict(stored: dict[str, Any] | None) -> Verdict:
    if stored is None:
        return UNCHECKED
    return Verdict(RecordState(stored["state"]), tuple(stored["found"]), stored["remedy"])
