"""Import jobs as their owners see them: create, upload, start, cancel; and what becomes of forgotten ones."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction

from common.clock import now
from common.db import batches
from common.nudge import nudge
from common.sealed import purpose_key
from identities.models import Organization
from mail.errors import (
    ImportAlreadyOpen,
    ImportQuotaExceeded,
    ImportStateConflict,
    UploadRefused,
)
from mail.imports import limits
from mail.imports.states import OPEN, ImportEvent, ImportStatus, next_status, statuses_before
from mail.models import ImportJob, Mailbox
from mail.services.importing import TASK
from mail.uploads import NewUpload, remove_partial_uploads, remove_upload, uploads_older_than

_SALT = "mail.import-upload"
_PATH = "/uploads/"
# An upload is written before the row that names it.
_UPLOAD_GRACE = timedelta(days=1)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class NewImport:
    """The body of a create. `original_addresses` are normalized."""

    source_format: str
    original_addresses: tuple[str, ...]
    mark_as_read: bool


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where to send the archive, and the form fields that permit it."""

    url: str
    fields: dict[str, str]
    expires_in_seconds: int


def create_import(mailbox: Mailbox, new: NewImport) -> ImportJob:
    """A job that waits for its upload. Raises ImportQuotaExceeded or ImportAlreadyOpen."""
    try:
        with transaction.atomic():
            # Under the lock, so that the count stays true until the row is there.
            Organization.objects.select_for_update().filter(pk=mailbox.organization_id).first()
            _check_quota(mailbox.organization_id)
            return ImportJob.objects.create(
                organization_id=mailbox.organization_id,
                mailbox=mailbox,
                source_format=new.source_format,
                original_addresses=list(new.original_addresses),
                mark_as_read=new.mark_as_read,
            )
    except IntegrityError:
        raise ImportAlreadyOpen from None


def _check_quota(organization_id: str) -> None:
    moment = now()
    recent = ImportJob.objects.filter(organization_id=organization_id, created_at__gt=moment - limits.QUOTA_WINDOW)
    made = list(recent.order_by("-created_at").values_list("created_at", flat=True)[: limits.JOBS_PER_ORGANIZATION])
    if len(made) == limits.JOBS_PER_ORGANIZATION:
        free_in = made[-1] + limits.QUOTA_WINDOW - moment
        raise ImportQuotaExceeded(len(made), max(1, int(free_in.total_seconds()) + 1))


def upload_target(job: ImportJob) -> UploadTarget:
    """A target for the next five minutes. Raises ImportStateConflict once the job was started or cancelled."""
    if next_status(ImportStatus(job.status), ImportEvent.UPLOAD) is None:
        raise ImportStateConflict(job.status, "it takes no upload any more.")
    expires_at = int(now().timestamp()) + limits.UPLOAD_SECONDS
    key = f"imports/{job.pk}"
    policy = base64.urlsafe_b64encode(
        json.dumps({"key": key, "expires_at": expires_at, "max_bytes": limits.UPLOAD_BYTES}).encode()
    ).decode()
    token = signing.dumps(str(job.pk), salt=_SALT, compress=False)
    fields = {"key": key, "policy": policy, "signature": _sign(policy)}
    return UploadTarget(f"{settings.PUBLIC_URL}{_PATH}{token}", fields, limits.UPLOAD_SECONDS)


def is_upload_path(path: str) -> bool:
    """Whether a large body may be taken in at `path`; asked before the body is read."""
    try:
        read_upload_token(path.removeprefix(_PATH))
    except UploadRefused:
        return False
    return True


def read_upload_token(token: str) -> UUID:
    """The job of an upload address. Raises UploadRefused when it is forged or expired."""
    try:
        return UUID(signing.loads(token, salt=_SALT, max_age=limits.UPLOAD_SECONDS))
    except signing.SignatureExpired:
        raise UploadRefused("This upload target has expired.") from None
    except signing.BadSignature:
        raise UploadRefused("This upload target is not valid.") from None


def check_upload_fields(job_id: UUID, key: str, policy: str, signature: str) -> None:
    """The form fields belong to this job and are still good. Raises UploadRefused."""
    if not hmac.compare_digest(_sign(policy).encode(), signature.encode()):
        raise UploadRefused("The form fields of this upload are not valid.")
    signed = json.loads(base64.urlsafe_b64decode(policy))
    if key != signed["key"] or key != f"imports/{job_id}":
        raise UploadRefused("The form fields belong to another upload.")
    if now().timestamp() > signed["expires_at"]:
        raise UploadRefused("This upload target has expired.")


def _sign(policy: str) -> str:
    return hmac.new(purpose_key(_SALT), policy.encode(), sha256).hexdigest()


def attach_upload(job_id: UUID, upload: NewUpload) -> None:
    """Make a finished file the upload of a job; an earlier one is replaced. Raises UploadRefused."""
    with transaction.atomic():
        job = ImportJob.objects.select_for_update().filter(pk=job_id, mailbox__deleted_at__isnull=True).first()
        if job is None or next_status(ImportStatus(job.status), ImportEvent.UPLOAD) is None:
            raise UploadRefused("This import takes no upload any more.")
        replaced = job.upload_key
        ImportJob.objects.filter(pk=job_id).update(
            upload_key=upload.key, upload_size_bytes=upload.size_bytes, updated_at=now()
        )
    if replaced is not None:
        remove_upload(replaced)


def start_import(job: ImportJob) -> None:
    """Queue an uploaded job. Raises ImportStateConflict. `job` gets the new values."""
    moment = now()
    waiting = ImportJob.objects.filter(pk=job.pk, status__in=statuses_before(ImportEvent.START))
    with transaction.atomic():
        if not waiting.filter(upload_key__isnull=False).update(status=ImportStatus.QUEUED.value, updated_at=moment):
            job.refresh_from_db()
            if job.status == ImportStatus.PENDING_UPLOAD:
                raise ImportStateConflict(job.status, "upload the archive before you start it.")
            raise ImportStateConflict(job.status, "it cannot be started again.")
        nudge(TASK, job.pk)
    job.refresh_from_db()


def cancel_import(job: ImportJob) -> None:
    """End an open job; what was imported stays. Raises ImportStateConflict when it has ended already."""
    if not _cancel(job.pk, statuses_before(ImportEvent.CANCEL)):
        job.refresh_from_db()
        raise ImportStateConflict(job.status, "there is nothing to cancel.")
    job.refresh_from_db()


def _cancel(job_id: UUID, statuses: tuple[str, ...], error: str | None = None) -> bool:
    moment = now()
    with transaction.atomic():
        job = ImportJob.objects.select_for_update().filter(pk=job_id, status__in=statuses).first()
        if job is None:
            return False
        ImportJob.objects.filter(pk=job_id).update(
            status=ImportStatus.CANCELLED.value,
            error_detail=error,
            upload_key=None,
            lease_id=None,
            leased_until=None,
            finished_at=moment,
            updated_at=moment,
        )
    if job.upload_key is not None:
        remove_upload(job.upload_key)
    return True


def move_imports(mailbox_ids: Collection[UUID], organization_id: str) -> None:
    """Hand the jobs of mailboxes, which the caller has locked, over to another organization.

    A running one waits for its turn again, because the other organization may have one that runs.
    """
    jobs = ImportJob.objects.filter(mailbox_id__in=mailbox_ids)
    jobs.filter(status=ImportStatus.RUNNING.value).update(
        status=ImportStatus.QUEUED.value, lease_id=None, leased_until=None, updated_at=now()
    )
    jobs.update(organization_id=organization_id)


def expire_imports() -> int:
    """Cancel jobs that nobody started within a day; returns how many."""
    statuses = statuses_before(ImportEvent.EXPIRE)
    old = ImportJob.objects.filter(status__in=statuses, created_at__lte=now() - limits.START_WITHIN)
    ids = list(old.values_list("pk", flat=True)[:_BATCH])
    return sum(_cancel(pk, statuses, "The import was not started within 24 hours.") for pk in ids)


def purge_uploads() -> None:
    """Remove files that no open job refers to: left by a crash between two steps, or by a deleted mailbox."""
    remove_partial_uploads(_UPLOAD_GRACE)
    for keys in batches(uploads_older_than(_UPLOAD_GRACE), _BATCH):
        jobs = ImportJob.objects.filter(upload_key__in=keys, status__in=OPEN, mailbox__deleted_at__isnull=True)
        used = set(jobs.values_list("upload_key", flat=True))
        for key in keys:
            if key not in used:
                remove_upload(key)
