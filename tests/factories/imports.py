"""Archives, import jobs, and what a client does to run one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from django.test import Client

from mail.imports.states import ImportStatus
from mail.models import ImportJob, Mailbox
from mail.services.importing import run_import
from mail.services.imports import NewImport, attach_upload, create_import, start_import
from mail.uploads import NewUpload
from tests.factories.identities import Answer


def old_mail(
    number: int,
    *,
    sender: str = "Ada L. <ada@customer.example>",
    date: str = "Mon, 05 Jan 2015 10:00:00 +0000",
    references: str | None = None,
    headers: str = "",
    text: str = "Some text.",
) -> bytes:
    """A message with LF line ends; its Message-ID is `<n@old.example>`, its subject `Number n`."""
    head = f"From: {sender}\nTo: me@former.example\nSubject: Number {number}\nMessage-ID: <{number}@old.example>\n"
    head += f"Date: {date}\n" if date else ""
    head += f"In-Reply-To: {references.split()[-1]}\nReferences: {references}\n" if references else ""
    return f"{head}{headers}\n{text}\n".encode()


def as_mbox(mails: Iterable[bytes]) -> bytes:
    """An mbox file."""
    return b"".join(b"From x@y Thu Jan  1 00:00:00 2015\n" + mail + b"\n" for mail in mails)


def as_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip archive with deflated entries."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def new_job(
    mailbox: Mailbox,
    *,
    source_format: str = "auto",
    original_addresses: tuple[str, ...] = (),
    mark_as_read: bool = True,
) -> ImportJob:
    """A job that waits for its upload."""
    return create_import(mailbox, NewImport(source_format, original_addresses, mark_as_read))


def upload(job: ImportJob, content: bytes) -> None:
    """Give the job its archive."""
    made = NewUpload()
    made.write(content)
    made.finish()
    attach_upload(job.pk, made)


def queued_job(mailbox: Mailbox, content: bytes, **options: Any) -> ImportJob:
    """An uploaded and started job."""
    job = new_job(mailbox, **options)
    upload(job, content)
    start_import(job)
    return job


def import_archive(mailbox: Mailbox, content: bytes, **options: Any) -> ImportJob:
    """Run an import to its end."""
    job = queued_job(mailbox, content, **options)
    run_import(job.pk)
    job.refresh_from_db()
    return job


def job_in(mailbox: Mailbox, status: ImportStatus, **fields: Any) -> ImportJob:
    """A row in any status."""
    return ImportJob.objects.create(
        organization_id=mailbox.organization_id, mailbox=mailbox, status=status.value, **fields
    )


def send_upload(target: Mapping[str, Any], content: bytes, *, field: str = "file", **changed: str) -> Answer:
    """POST the form as clients do: the fields, then the file; no credential."""
    file = io.BytesIO(content)
    file.name = "mail.mbox"
    path = target["url"].removeprefix("http://localhost:8000")
    answer: Answer = Client().post(path, {**target["fields"], **changed, field: file})
    return answer
