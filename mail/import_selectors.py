"""Reads of import jobs."""

from __future__ import annotations

from uuid import UUID

from common.api.pagination import KeysetList, Page
from common.ids import parse_uuid
from common.principal import Principal
from mail.errors import ImportJobNotFound
from mail.models import ImportJob, Mailbox

_JOBS = KeysetList(
    lambda _shape, mailbox_id: ImportJob.objects.filter(mailbox_id=mailbox_id),
    keys=(UUID,),
    at="created_at",
    columns=(
        "id",
        "mailbox_id",
        "status",
        "source_format",
        "original_addresses",
        "mark_as_read",
        "upload_size_bytes",
        "messages_processed",
        "messages_imported",
        "messages_skipped_duplicate",
        "messages_failed",
        "messages_rejected_unsafe",
        "error_detail",
        "created_at",
        "updated_at",
        "started_at",
        "finished_at",
    ),
    filters={},
)


def list_imports(mailbox: Mailbox, *, limit: int, cursor: str | None) -> Page:
    """Jobs of a visible mailbox, newest first."""
    return _JOBS.page(mailbox.pk, limit=limit, cursor=cursor)


def get_import(principal: Principal, mailbox: Mailbox, row_id: str) -> ImportJob:
    """One job of a visible mailbox. Raises ImportJobNotFound."""
    pk = parse_uuid(row_id)
    job = ImportJob.objects.visible_to(principal, mailbox).filter(pk=pk).first() if pk is not None else None
    if job is None:
        raise ImportJobNotFound
    return job
