"""The life of an import job (contract mail.md section 9). Pure."""

from __future__ import annotations

from enum import StrEnum


class ImportFormat(StrEnum):
    """Wire enum: what was uploaded."""

    AUTO = "auto"
    MBOX = "mbox"
    EML = "eml"
    ZIP = "zip"


class ImportStatus(StrEnum):
    """Wire enum of a job."""

    PENDING_UPLOAD = "pending_upload"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ImportEvent(StrEnum):
    """What happens to a job."""

    UPLOAD = "upload"
    START = "start"
    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"


_NEXT: dict[ImportEvent, dict[ImportStatus, ImportStatus]] = {
    ImportEvent.UPLOAD: {ImportStatus.PENDING_UPLOAD: ImportStatus.PENDING_UPLOAD},
    ImportEvent.START: {ImportStatus.PENDING_UPLOAD: ImportStatus.QUEUED},
    # A running job is claimed again when its worker died or gave up its turn.
    ImportEvent.CLAIM: {ImportStatus.QUEUED: ImportStatus.RUNNING, ImportStatus.RUNNING: ImportStatus.RUNNING},
    ImportEvent.COMPLETE: {ImportStatus.RUNNING: ImportStatus.COMPLETED},
    ImportEvent.FAIL: {ImportStatus.RUNNING: ImportStatus.FAILED},
    ImportEvent.CANCEL: {
        ImportStatus.PENDING_UPLOAD: ImportStatus.CANCELLED,
        ImportStatus.QUEUED: ImportStatus.CANCELLED,
        ImportStatus.RUNNING: ImportStatus.CANCELLED,
    },
    ImportEvent.EXPIRE: {ImportStatus.PENDING_UPLOAD: ImportStatus.CANCELLED},
}

OPEN = tuple(sorted(_NEXT[ImportEvent.CANCEL]))


def next_status(status: ImportStatus, event: ImportEvent) -> ImportStatus | None:
    """The status after `event`; None when the event cannot happen to a job in `status`."""
    return _NEXT[event].get(status)


def statuses_before(event: ImportEvent) -> tuple[str, ...]:
    """Statuses in which `event` can happen, for conditional updates."""
    return tuple(sorted(_NEXT[event]))
