"""The worker's part of an import: claim a job, read on from its position, commit batch after batch.

Messages, counters and position are committed together and only under the run's own lease. So a run that dies, is
cancelled or loses its lease leaves whole batches behind, and the next one goes on exactly after them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import structlog
from celery.worker import state as celery_state
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from common import local_worker
from common.clock import now
from common.db import refuse_in_transaction
from common.nudge import nudge
from mail.imports import limits
from mail.imports.labels import gmail_labels
from mail.imports.reading import ImportRefused, Item, Position, Problem, read_upload
from mail.imports.states import ImportEvent, ImportFormat, ImportStatus, statuses_before
from mail.mime.defects import Defect
from mail.mime.parse import HeaderTooLarge, parse_mail
from mail.models import ImportJob, Mailbox
from mail.raw import store_raw
from mail.services.import_batches import ImportedMail, ThreadLinks, store_batch
from mail.services.receiving import InboundMail
from mail.uploads import open_upload, remove_upload

log = structlog.get_logger(__name__)

TASK = "mail.run_import"
# A message whose structure was only partly looked at could hide anything in the rest.
_UNSAFE_DEFECTS = frozenset({Defect.TOO_DEEP.value, Defect.TOO_MANY_PARTS.value})
# Mail is younger than RFC 822; what claims to be older has a broken clock.
_EARLIEST = datetime(1982, 8, 13, tzinfo=UTC)
_CLOCK_ERROR = timedelta(days=1)
_SWEEP_LIMIT = 500


class _LeaseLost(Exception):
    """The job was cancelled, or another worker took it over."""


def run_import(job_id: UUID) -> None:
    """Import for a while. Safe to call at any time, any number of times."""
    refuse_in_transaction("Importing mail")
    job = _claim(job_id)
    if job is None:
        return
    try:
        if job.attempts > limits.ATTEMPTS:
            raise ImportRefused("Importing stopped several times without progress. Tell the operator of the server.")
        is_complete = _Run(job).work()
    except _LeaseLost:
        log.info("import.lease_lost", job=str(job.pk))
    except ImportRefused as refusal:
        _finish(job, ImportStatus.FAILED, refusal.message)
    except Exception:
        log.exception("import.interrupted", job=str(job.pk))
        _release(job, now() + timedelta(minutes=job.attempts))
    else:
        if is_complete:
            _finish(job, ImportStatus.COMPLETED)
        else:
            _release(job, None)
            nudge(TASK, job.pk)


def run_due_imports() -> int:
    """Wake the jobs that wait or were left behind; returns how many."""
    moment = now()
    running = ImportJob.objects.filter(organization=OuterRef("organization"), status=ImportStatus.RUNNING.value)
    left_behind = Q(leased_until__isnull=True) | Q(leased_until__lt=moment)
    due = ImportJob.objects.filter(
        Q(left_behind, status=ImportStatus.RUNNING.value) | Q(~Exists(running), status=ImportStatus.QUEUED.value)
    )
    ids = list(due.order_by("created_at").values_list("pk", flat=True)[:_SWEEP_LIMIT])
    for job_id in ids:
        nudge(TASK, job_id)
    return len(ids)


def release_leases() -> int:
    """Free the jobs of a process that is known to be dead (see mail.services.jobs.release_leases)."""
    jobs = ImportJob.objects.filter(status=ImportStatus.RUNNING.value, leased_until__isnull=False)
    return jobs.update(leased_until=None)


def _claim(job_id: UUID) -> ImportJob | None:
    """Lease the job, if it waits or was left behind, and if no other job of its organization runs."""
    moment, lease_id = now(), uuid4()
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=moment)
    try:
        with transaction.atomic():
            claimed = ImportJob.objects.filter(free, pk=job_id, status__in=statuses_before(ImportEvent.CLAIM)).update(
                status=ImportStatus.RUNNING.value,
                lease_id=lease_id,
                leased_until=moment + limits.LEASE,
                attempts=F("attempts") + 1,
                started_at=Coalesce("started_at", moment),
                updated_at=moment,
            )
    except IntegrityError:
        return None  # another job of the organization runs; its end wakes this one
    return ImportJob.objects.get(pk=job_id) if claimed else None


def _release(job: ImportJob, until: datetime | None) -> None:
    """Give up the turn. Without `until` that was no failure."""
    changes = {} if until is not None else {"attempts": 0}
    ImportJob.objects.leased(job.pk, _lease_of(job)).update(leased_until=until, updated_at=now(), **changes)


def _finish(job: ImportJob, status: ImportStatus, error: str | None = None) -> None:
    """End the job and remove its upload; then the next one of the organization has its turn."""
    moment = now()
    finished = ImportJob.objects.leased(job.pk, _lease_of(job)).update(
        status=status.value,
        error_detail=error,
        upload_key=None,
        lease_id=None,
        leased_until=None,
        finished_at=moment,
        updated_at=moment,
    )
    if not finished:
        return
    remove_upload(job.upload_key or "")
    waiting = ImportJob.objects.filter(organization_id=job.organization_id, status=ImportStatus.QUEUED.value)
    if (following := waiting.order_by("created_at").values_list("pk", flat=True).first()) is not None:
        nudge(TASK, following)


def _lease_of(job: ImportJob) -> UUID:
    assert job.lease_id is not None
    return job.lease_id


@dataclass(slots=True)
class _Batch:
    """What is read and not committed yet."""

    mails: list[ImportedMail] = field(default_factory=list)
    size_bytes: int = 0
    failed: int = 0
    unsafe: int = 0
    position: Position | None = None

    @property
    def count(self) -> int:
        return len(self.mails) + self.failed + self.unsafe

    @property
    def is_due(self) -> bool:
        return self.count >= limits.BATCH_MESSAGES or self.size_bytes >= limits.BATCH_BYTES


class _Run:
    """One turn of a job."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._processed = job.messages_processed
        self._links = ThreadLinks.of_job(job.pk)
        self._deadline = time.monotonic() + limits.RUN_SECONDS

    def work(self) -> bool:
        """Whether the upload was read to its end. Raises ImportRefused or _LeaseLost."""
        try:
            file = open_upload(self._job.upload_key or "")
        except FileNotFoundError:
            raise ImportRefused("The uploaded file is gone. Start a new import.") from None
        with file:
            position = Position(**self._job.position)
            return self._work(read_upload(file, ImportFormat(self._job.source_format), position))

    def _work(self, items: Iterable[Item]) -> bool:
        batch = _Batch()
        try:
            for item in items:
                if self._processed + batch.count >= limits.MESSAGES_PER_JOB:
                    raise ImportRefused(
                        f"The upload has more than {limits.MESSAGES_PER_JOB} messages; so many were read. "
                        "Split it and import the parts."
                    )
                _add(batch, self._job.mailbox_id, item)
                if batch.is_due:
                    self._commit(batch)
                    batch = _Batch()
                    if time.monotonic() > self._deadline or _is_stopping():
                        return False
        except ImportRefused:
            self._commit(batch)
            raise
        self._commit(batch)
        return True

    def _commit(self, batch: _Batch) -> None:
        """Messages, counters and position in one transaction. Raises _LeaseLost (nothing stored) or ImportRefused."""
        if batch.position is None:
            return
        moment = now()
        with transaction.atomic():
            mailbox = Mailbox.objects.alive().select_for_update(of=("self",)).filter(pk=self._job.mailbox_id).first()
            if mailbox is None:
                raise ImportRefused("The mailbox was deleted.")
            stored = store_batch(self._job, mailbox, batch.mails, self._links, moment)
            processed = stored.imported + stored.duplicates + batch.failed + batch.unsafe
            is_ours = ImportJob.objects.leased(self._job.pk, _lease_of(self._job)).update(
                messages_processed=F("messages_processed") + processed,
                messages_imported=F("messages_imported") + stored.imported,
                messages_skipped_duplicate=F("messages_skipped_duplicate") + stored.duplicates,
                messages_failed=F("messages_failed") + batch.failed,
                messages_rejected_unsafe=F("messages_rejected_unsafe") + batch.unsafe,
                position=batch.position.as_json(),
                leased_until=moment + limits.LEASE,
                attempts=0,
                updated_at=moment,
            )
            if not is_ours:
                raise _LeaseLost
        self._processed += processed
        if stored.is_full:
            raise ImportRefused(
                f"The mailbox has reached its limit of {mailbox.storage_limit_bytes} bytes. "
                "Delete mail or raise the limit, then import the rest again; what is there already is skipped."
            )


def _is_stopping() -> bool:
    """Whether this process is about to end."""
    return local_worker.is_stopping() or celery_state.should_stop is not None


def _add(batch: _Batch, mailbox_id: UUID, item: Item) -> None:
    """Read one message into the batch, or count why it cannot be."""
    batch.position = item.after
    problem = item.problem
    if item.raw is not None:
        found = _read(item, mailbox_id)
        if isinstance(found, ImportedMail):
            batch.mails.append(found)
            batch.size_bytes += found.mail.size_bytes
            return
        problem = found
    if problem is Problem.UNSAFE:
        batch.unsafe += 1
    else:
        batch.failed += 1


def _read(item: Item, mailbox_id: UUID) -> ImportedMail | Problem:
    raw = item.raw or b""
    if b"\r" not in raw:
        # As it travels by SMTP (RFC 5322 section 2.1), so that the fingerprint is that of a delivered copy.
        raw = raw.replace(b"\n", b"\r\n")
    try:
        parsed = parse_mail(raw)
    except HeaderTooLarge:
        return Problem.UNSAFE
    except Exception:
        log.exception("import.unreadable_message")
        return Problem.FAILED
    if not _UNSAFE_DEFECTS.isdisjoint(parsed.defects):
        return Problem.UNSAFE
    if Defect.NO_HEADERS.value in parsed.defects or not raw.strip():
        return Problem.FAILED
    mail = InboundMail(parsed, store_raw(raw), len(raw), (mailbox_id,))
    return ImportedMail(mail, _dated(parsed.date, item.dated), gmail_labels(raw))


def _dated(header: datetime | None, envelope: datetime | None) -> datetime:
    """The Date header if it can be true, else the date of the From_ line, else now."""
    moment = now()
    for date in (header, envelope):
        if date is not None and _EARLIEST <= date <= moment + _CLOCK_ERROR:
            return min(date.astimezone(UTC), moment)
    return moment
