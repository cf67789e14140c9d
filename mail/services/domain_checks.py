"""Check the DNS of sending domains: claim a row, ask outside any transaction, settle what was found.

The row is the queue. A process that dies while it asks leaves a lease that runs out, and the sweep finds the row
again; an answer that comes after that is thrown away.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.db import refuse_in_transaction
from common.dns import DnsClient, dns_client
from common.nudge import nudge
from mail import limits
from mail.dns.records import (
    DnsRecord,
    Purpose,
    RecordState,
    Verdict,
    examine_record,
    ownership_record,
    policy_records,
)
from mail.domain_schedule import check_delay
from mail.domain_states import CHECKED, RECEIVING, SENDING, UNVERIFIED, DomainEvent, next_status
from mail.models import DkimKey, SendingDomain
from mail.services.domain_keys import (
    drop_unused_keys,
    is_rotating,
    keys_of,
    record_of,
    stop_signing_for,
    use_visible_keys,
)

log = structlog.get_logger(__name__)

_CHECKED = [status.value for status in CHECKED]
_UNVERIFIED = [status.value for status in UNVERIFIED]
HELD_BY_ANOTHER = (
    "Another organization of this server holds this name. It can delete the domain; or remove its ownership record "
    "from DNS, so that it loses the name within two hours."
)
LOST = "Another organization of this server proved that it owns this name."
WINDOW_OVER = "It was not verified within 72 hours. Register it again when its records are published."
ROTATION_OVER = "The new DKIM key was not published within 72 hours, so the old one stays in use."


@dataclass(slots=True)
class Examination:
    """What DNS said: a verdict for each record by its key."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    # Whatever stands where ownership is proven, to tell whether another holder is still there.
    ownership_values: tuple[str, ...] = ()

    def state(self, record: DnsRecord) -> RecordState:
        """Of one record; one that was not asked for is unknown."""
        verdict = self.verdicts.get(record.key)
        return verdict.state if verdict is not None else RecordState.UNKNOWN


def domain_records(row: SendingDomain, keys: list[DkimKey]) -> list[DnsRecord]:
    """Everything that a domain publishes, ownership first."""
    return [
        ownership_record(row.domain, row.ownership_token),
        *(record_of(key) for key in keys),
        *policy_records(row.domain, row.mail_from_subdomain),
    ]


def check_domain(domain_id: UUID, *, is_forced: bool = False) -> bool:
    """Ask DNS and settle. False when the row was not due, is being checked by somebody else, or is beyond checks.

    Blocks for up to 12 seconds when DNS is slow. `is_forced` looks now rather than when the row is due.
    """
    refuse_in_transaction("Asking DNS")
    claimed = _claim(domain_id, is_forced=is_forced)
    if claimed is None:
        return False
    records = domain_records(claimed, keys_of(claimed))
    found = examine(dns_client(), records)
    assert claimed.checking_until is not None
    return _settle(domain_id, claimed.checking_until, found)


def examine(dns: DnsClient, records: list[DnsRecord]) -> Examination:
    """A verdict for each record, the required ones first in case time runs out."""
    found = Examination()
    for record in sorted(records, key=lambda record: not record.is_required):
        found.verdicts[record.key] = examine_record(dns, record)
        if record.purpose is Purpose.OWNERSHIP:
            found.ownership_values = tuple(v.strip().strip('"') for v in dns.lookup(record.name, record.type).values)
    return found


def due_domains(limit: int) -> list[UUID]:
    """Rows whose check is due and that nobody is checking, longest waiting first."""
    moment = now()
    rows = SendingDomain.objects.filter(
        Q(checking_until__isnull=True) | Q(checking_until__lt=moment), status__in=_CHECKED, next_check_at__lte=moment
    )
    return list(rows.order_by("next_check_at").values_list("pk", flat=True)[:limit])


def wake_due_domains() -> int:
    """Wake workers for due checks; returns for how many."""
    due = due_domains(limits.DOMAIN_SWEEP)
    for domain_id in due:
        nudge("mail.check_domain", domain_id)
    return len(due)


def close_windows() -> int:
    """Fail what was not verified in time; returns how many."""
    moment = now()
    late = SendingDomain.objects.filter(status__in=_UNVERIFIED, window_ends_at__lte=moment)
    closed = 0
    for pk in list(late.values_list("pk", flat=True)[: limits.DOMAIN_SWEEP]):
        with transaction.atomic():
            row = SendingDomain.objects.select_for_update().filter(pk=pk, status__in=_UNVERIFIED).first()
            if row is not None:
                _fail(row, DomainEvent.WINDOW_ELAPSED, WINDOW_OVER, moment)
                closed += 1
    return closed


def _claim(domain_id: UUID, *, is_forced: bool) -> SendingDomain | None:
    moment = now()
    with transaction.atomic():
        row = SendingDomain.objects.select_for_update().filter(pk=domain_id, status__in=_CHECKED).first()
        if row is None or (row.checking_until is not None and row.checking_until >= moment):
            return None
        if row.next_check_at > moment and not is_forced:
            return None
        row.status = next_status(row.state, DomainEvent.CHECK_STARTED).value
        row.checking_until = moment + limits.DOMAIN_CHECK_LEASE
        row.save(update_fields=["status", "checking_until", "updated_at"])
    return row


def _settle(domain_id: UUID, lease: datetime, found: Examination) -> bool:
    """Record the verdicts and what follows from them; False when the lease ran out meanwhile."""
    moment = now()
    with transaction.atomic():
        name = SendingDomain.objects.filter(pk=domain_id).values_list("domain", flat=True).first()
        # Every claim on the name, in one order, because proving ownership may take it from another row.
        claims = {row.pk: row for row in SendingDomain.objects.select_for_update().filter(domain=name).order_by("pk")}
        row = claims.pop(domain_id, None)
        if row is None or row.checking_until != lease:
            return False
        row.checking_until, row.last_checked_at = None, moment
        before = row.state
        if before not in CHECKED:  # deleted or failed while DNS was asked
            row.save()
            return True
        row.results = {key: _stored(verdict) for key, verdict in found.verdicts.items()}
        keys = keys_of(row)
        _apply_ownership(row, list(claims.values()), found, moment)
        if row.is_owned:
            _apply_records(row, keys, found, moment)
        if row.state in UNVERIFIED:
            row.failed_checks = 0
        row.next_check_at = moment + check_delay(row.state, moment - row.created_at, row.failed_checks)
        row.save()
    if row.state is not before:
        log.info("mail.domain_status", domain_id=str(row.pk), before=before.value, after=row.status)
    return True


def _stored(verdict: Verdict) -> dict[str, Any]:
    return {**asdict(verdict), "state": verdict.state.value}


def _apply_ownership(row: SendingDomain, others: list[SendingDomain], found: Examination, moment: datetime) -> None:
    record = ownership_record(row.domain, row.ownership_token)
    state = found.state(record)
    if state is RecordState.UNKNOWN:
        return
    if state is not RecordState.OK:
        if row.state in UNVERIFIED:
            row.status = next_status(row.state, DomainEvent.OWNERSHIP_MISSING).value
            row.is_owned = False
            row.failure_reason = found.verdicts[record.key].remedy
        return
    if row.is_owned:
        return
    holder = next((other for other in others if other.is_owned), None)
    if holder is not None and not _gives_way(holder, found, moment):
        row.failure_reason = HELD_BY_ANOTHER
        return
    row.status = next_status(row.state, DomainEvent.OWNERSHIP_PROVEN).value
    row.status = next_status(row.state, DomainEvent.CHECK_STARTED).value
    row.is_owned = True


def _gives_way(holder: SendingDomain, found: Examination, moment: datetime) -> bool:
    """Take the name from an organization whose record is gone. One whose mail still goes out is looked at first, so
    that a single wrong answer of DNS cannot take a working domain away."""
    wanted = ownership_record(holder.domain, holder.ownership_token).value
    if any(hmac.compare_digest(value.encode(), wanted.encode()) for value in found.ownership_values):
        return False
    if holder.state in SENDING:
        SendingDomain.objects.filter(pk=holder.pk).update(next_check_at=moment)
        return False
    _fail(holder, DomainEvent.OWNERSHIP_LOST, LOST, moment)
    return True


def _fail(row: SendingDomain, event: DomainEvent, reason: str, moment: datetime) -> None:
    row.status = next_status(row.state, event).value
    row.is_owned = row.is_default = row.is_receiving = row.has_return_path = False
    row.failure_reason, row.checking_until = reason, None
    row.purge_at = moment + limits.DOMAIN_FAILED_RETENTION
    row.save()
    stop_signing_for(row)


def _apply_records(row: SendingDomain, keys: list[DkimKey], found: Examination, moment: datetime) -> None:
    event, reason = _records_event(row, keys, found)
    is_bad = event in (DomainEvent.RECORDS_WRONG, DomainEvent.RECORDS_MISSING)
    if event is not DomainEvent.CHECK_INCONCLUSIVE:
        row.failed_checks = row.failed_checks + 1 if is_bad else 0
    row.failure_reason = reason
    was_unverified = row.state in UNVERIFIED
    if not is_bad or was_unverified or row.failed_checks >= limits.DOMAIN_FAILURES_TO_DEGRADE:
        row.status = next_status(row.state, event).value
    if row.state in RECEIVING:
        row.verified_at = row.verified_at or moment
        if not is_bad:
            _apply_keys(row, keys, found, moment)
    _apply_routes(row, found)


def _records_event(row: SendingDomain, keys: list[DkimKey], found: Examination) -> tuple[DomainEvent, str]:
    """What the required records say together, and the remedy of the first that is not right."""
    required = [ownership_record(row.domain, row.ownership_token)]
    required += [r for r in policy_records(row.domain, row.mail_from_subdomain) if r.is_required]
    states = {record.key: found.state(record) for record in required}
    # During a rotation the old key or the new one suffices.
    signing = [record_of(key) for key in keys]
    signing = [record for record in signing if record.is_required]
    best = min(signing, key=lambda record: _RANKS[found.state(record)], default=None)
    if best is not None:
        states[best.key] = found.state(best)
    for state, event in _EVENTS.items():
        if (key := next((key for key, value in states.items() if value is state), None)) is not None:
            return event, found.verdicts[key].remedy if key in found.verdicts else ""
    return DomainEvent.RECORDS_CORRECT, ""


_RANKS = {RecordState.OK: 0, RecordState.UNKNOWN: 1, RecordState.MISSING: 2, RecordState.WRONG: 3}
# The first that occurs decides.
_EVENTS: Mapping[RecordState, DomainEvent] = {
    RecordState.WRONG: DomainEvent.RECORDS_WRONG,
    RecordState.MISSING: DomainEvent.RECORDS_MISSING,
    RecordState.UNKNOWN: DomainEvent.CHECK_INCONCLUSIVE,
}


def _apply_keys(row: SendingDomain, keys: list[DkimKey], found: Examination, moment: datetime) -> None:
    """Sign with what is visible; end a rotation when it is done or has taken too long."""
    states = {key.pk: found.state(record_of(key)) for key in keys}
    visible = {pk for pk, state in states.items() if state is RecordState.OK}
    absent = {pk for pk, state in states.items() if state in (RecordState.MISSING, RecordState.WRONG)}
    use_visible_keys(keys, visible, absent, moment)
    if row.rotation_ends_at is None:
        return
    if not is_rotating(keys_of(row)):
        row.rotation_ends_at = None
    elif row.rotation_ends_at <= moment:
        drop_unused_keys(keys_of(row))
        row.rotation_ends_at, row.failure_reason = None, ROTATION_OVER
    event = DomainEvent.ROTATION_STARTED if row.rotation_ends_at is not None else DomainEvent.ROTATION_ENDED
    row.status = next_status(row.state, event).value


def _apply_routes(row: SendingDomain, found: Examination) -> None:
    """Whether mail and bounces come back here. What DNS did not answer stays as it was."""
    states: dict[Purpose, list[RecordState]] = {}
    for record in policy_records(row.domain, row.mail_from_subdomain):
        states.setdefault(record.purpose, []).append(found.state(record))
    if RecordState.UNKNOWN not in states[Purpose.MX]:
        row.is_receiving = states[Purpose.MX] == [RecordState.OK]
    if RecordState.UNKNOWN not in states[Purpose.RETURN_PATH]:
        row.has_return_path = set(states[Purpose.RETURN_PATH]) == {RecordState.OK}
