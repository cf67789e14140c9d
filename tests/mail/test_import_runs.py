"""Runs of the import worker: resuming, leases, turns, and that nothing is lost or twice."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from common import local_worker
from common.clock import now
from identities.services.moves import move_identity
from mail.imports import limits
from mail.imports.states import ImportStatus
from mail.mime.parse import parse_mail
from mail.models import ImportJob, Mailbox, Message, Thread
from mail.services import importing, imports
from mail.services.import_batches import store_batch
from mail.services.importing import release_leases, run_due_imports, run_import
from mail.services.imports import cancel_import
from tests.factories.identities import agent, organization
from tests.factories.imports import as_mbox, as_zip, job_in, old_mail, queued_job
from tests.factories.mail import mailbox_of

pytestmark = pytest.mark.django_db

MAILS = [old_mail(n, references=f"<{n - 1}@old.example>" if n % 4 else None) for n in range(25)]
SHAPES = {
    "mbox": as_mbox(MAILS),
    "mbox with CRLF": as_mbox(MAILS).replace(b"\n", b"\r\n"),
    "undated mbox": b"".join(b"From x\n" + mail + b"\n" for mail in MAILS),
    "zip of eml": as_zip({f"{n}.eml": mail for n, mail in enumerate(MAILS)}),
    "zip of mbox": as_zip({"a.mbox": as_mbox(MAILS[:11]), "b.txt": b"x", "c.mbox": as_mbox(MAILS[11:])}),
}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def small_batches(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BLOB_DIR = tmp_path / "blobs"
    monkeypatch.setattr(limits, "BATCH_MESSAGES", 4)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="archive"))


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Nudges instead of sending them."""
    found: list[tuple[str, Any]] = []
    for module in (importing, imports):
        monkeypatch.setattr(module, "nudge", lambda task, pk: found.append((task, pk)))
    return found


def kill_after(monkeypatch: pytest.MonkeyPatch, batches: int, *, before_commit: bool) -> None:
    """Let the next run die around its nth commit."""
    store, left = store_batch, [batches]

    def dying(*args: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not before_commit:
            raise Killed
        stored = store(*args)
        if left[0] == 0:
            raise Killed
        return stored

    monkeypatch.setattr(importing, "store_batch", dying)


def assert_complete(box: Mailbox, job: ImportJob) -> None:
    job.refresh_from_db()
    assert (job.status, job.messages_processed, job.messages_imported) == ("completed", 25, 25)
    found = Counter(Message.objects.filter(mailbox=box).values_list("message_id", flat=True))
    assert found == Counter(f"<{n}@old.example>" for n in range(25))
    assert sorted(Thread.objects.filter(mailbox=box).values_list("message_count", flat=True)) == [1, 4, 4, 4, 4, 4, 4]
    box.refresh_from_db()
    assert box.storage_used_bytes == sum(Message.objects.filter(mailbox=box).values_list("size_bytes", flat=True))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batches", [1, 2, 5, 7])
@pytest.mark.parametrize("before_commit", [True, False])
def test_a_run_that_died_is_continued_without_loss_or_repetition(
    box: Mailbox, shape: str, batches: int, before_commit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queued_job(box, SHAPES[shape])
    with monkeypatch.context() as patch:
        kill_after(patch, batches, before_commit=before_commit)
        with pytest.raises(Killed):
            run_import(job.pk)
    job.refresh_from_db()
    assert job.status == "running"
    assert job.messages_imported == Message.objects.filter(mailbox=box).count() == 4 * (batches - 1)

    run_import(job.pk)  # the lease of the dead run still holds
    job.refresh_from_db()
    assert job.messages_imported == 4 * (batches - 1)
    assert release_leases() == 1
    run_import(job.pk)

    assert_complete(box, job)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_gives_up_its_turn_and_goes_on_later(
    box: Mailbox, shape: str, monkeypatch: pytest.MonkeyPatch, nudges: list[tuple[str, Any]]
) -> None:
    monkeypatch.setattr(limits, "RUN_SECONDS", 0.0)
    job = queued_job(box, SHAPES[shape])
    runs = 0

    while nudges:
        assert nudges.pop() == ("mail.run_import", job.pk)
        run_import(job.pk)
        runs += 1

    assert runs == 7
    assert_complete(box, job)


def test_a_lease_that_ran_out_is_taken_over(box: Mailbox) -> None:
    job = queued_job(box, SHAPES["mbox"])
    ImportJob.objects.update(status="running", lease_id=uuid4(), leased_until=now() - timedelta(seconds=1))

    run_import(job.pk)

    assert_complete(box, job)


def test_a_run_that_lost_its_lease_stores_nothing_more(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queued_job(box, SHAPES["mbox"])
    store = store_batch

    def overtaken(*args: Any) -> Any:
        if Message.objects.count() == 8:
            ImportJob.objects.update(lease_id=uuid4())
        return store(*args)

    monkeypatch.setattr(importing, "store_batch", overtaken)
    run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.messages_imported) == ("running", 8)
    assert Message.objects.count() == 8
    assert job.upload_key is not None


def test_cancelling_keeps_what_was_imported_and_stops_the_run(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queued_job(box, SHAPES["mbox"])
    add = importing._add

    def cancelling(batch: Any, mailbox_id: Any, item: Any) -> None:
        if Message.objects.count() == 8 and batch.count == 0:
            cancel_import(ImportJob.objects.get(pk=job.pk))
        add(batch, mailbox_id, item)

    monkeypatch.setattr(importing, "_add", cancelling)
    run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.messages_imported, job.error_detail) == ("cancelled", 8, None)
    assert Message.objects.filter(mailbox=box).count() == 8


def test_one_running_job_for_each_organization(box: Mailbox, nudges: list[tuple[str, Any]]) -> None:
    other = mailbox_of(agent(box.organization))
    running = job_in(other, ImportStatus.RUNNING, lease_id=uuid4(), leased_until=now() + timedelta(minutes=1))
    job, foreign = queued_job(box, SHAPES["mbox"]), queued_job(mailbox_of(agent()), SHAPES["mbox"])
    nudges.clear()

    run_import(job.pk)
    job.refresh_from_db()
    assert job.status == "queued"
    run_due_imports()
    assert nudges == [("mail.run_import", foreign.pk)]

    nudges.clear()
    ImportJob.objects.filter(pk=running.pk).update(leased_until=None, upload_key="0" * 32)
    run_import(running.pk)
    assert nudges == [("mail.run_import", job.pk)]
    run_import(job.pk)
    assert_complete(box, job)


def test_the_database_itself_allows_one_open_and_one_running_job(box: Mailbox) -> None:
    job_in(box, ImportStatus.RUNNING)
    other = mailbox_of(agent(box.organization))

    with pytest.raises(IntegrityError), transaction.atomic():
        job_in(box, ImportStatus.PENDING_UPLOAD)
    with pytest.raises(IntegrityError), transaction.atomic():
        job_in(other, ImportStatus.RUNNING)

    assert ImportJob.objects.count() == 1


def test_the_sweep_finds_what_waits_and_what_was_left_behind(box: Mailbox, nudges: list[tuple[str, Any]]) -> None:
    waiting = job_in(box, ImportStatus.QUEUED)
    left = job_in(mailbox_of(agent()), ImportStatus.RUNNING, leased_until=now() - timedelta(seconds=1))
    job_in(mailbox_of(agent()), ImportStatus.RUNNING, leased_until=now() + timedelta(minutes=1))
    job_in(mailbox_of(agent()), ImportStatus.PENDING_UPLOAD)
    job_in(mailbox_of(agent()), ImportStatus.FAILED)

    assert run_due_imports() == 2

    assert {pk for _, pk in nudges} == {waiting.pk, left.pk}


def test_an_upload_that_is_gone_ends_the_job(box: Mailbox, tmp_path: Path) -> None:
    job = queued_job(box, SHAPES["mbox"])
    for file in (tmp_path / "blobs" / "uploads").glob("*"):
        file.unlink()

    run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.error_detail) == ("failed", "The uploaded file is gone. Start a new import.")


def test_a_job_that_stops_again_and_again_is_given_up(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queued_job(box, SHAPES["mbox"])

    def broken(*_: Any) -> Any:
        raise OSError("disk full")

    monkeypatch.setattr(importing, "store_batch", broken)
    waits = []
    for _ in range(5):
        run_import(job.pk)
        job.refresh_from_db()
        assert job.status == "running"
        assert job.leased_until is not None
        waits.append(round((job.leased_until - now()).total_seconds() / 60))
        ImportJob.objects.update(leased_until=None)
    run_import(job.pk)

    job.refresh_from_db()
    assert waits == [1, 2, 3, 4, 5]
    assert job.status == "failed"
    assert job.error_detail is not None
    assert job.error_detail.startswith("Importing stopped several times without progress.")


def test_one_message_that_breaks_the_parser_does_not_stop_the_others(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = parse_mail

    def fragile(raw: bytes) -> Any:
        if b"<7@old.example>" in raw.partition(b"Date:")[0]:
            raise RuntimeError("bug")
        return parse(raw)

    monkeypatch.setattr(importing, "parse_mail", fragile)
    job = queued_job(box, SHAPES["mbox"])
    run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.messages_imported, job.messages_failed) == ("completed", 24, 1)


def test_a_run_ends_early_when_the_process_is_about_to(
    box: Mailbox, nudges: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queued_job(box, SHAPES["mbox"])
    monkeypatch.setattr(local_worker, "is_stopping", lambda: True)

    run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.messages_imported, job.leased_until) == ("running", 4, None)


def test_queries_of_a_batch_do_not_grow_with_it(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(count: int, start: int) -> int:
        monkeypatch.setattr(limits, "BATCH_MESSAGES", 100)
        job = queued_job(box, as_mbox(old_mail(start + n) for n in range(count)))
        with CaptureQueriesContext(connection) as queries:
            run_import(job.pk)
        job.refresh_from_db()
        assert job.messages_imported == count
        return len(queries)

    assert cost(2, 0) == cost(99, 1000) <= 22


def test_a_job_goes_with_its_mailbox_to_another_organization(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    other = organization()
    job_in(mailbox_of(agent(other)), ImportStatus.RUNNING)
    ended = job_in(box, ImportStatus.FAILED)
    job = queued_job(box, SHAPES["mbox"])
    add = importing._add

    def moving(batch: Any, mailbox_id: Any, item: Any) -> None:
        if Message.objects.count() == 8 and batch.count == 0:
            assert box.identity is not None
            move_identity(box.identity, other)
        add(batch, mailbox_id, item)

    with monkeypatch.context() as patch:
        patch.setattr(importing, "_add", moving)
        run_import(job.pk)

    job.refresh_from_db()
    assert (job.status, job.messages_imported, job.organization_id) == ("queued", 8, other.pk)
    assert ImportJob.objects.get(pk=ended.pk).organization_id == other.pk
    ImportJob.objects.filter(status="running").update(status="completed")
    run_import(job.pk)
    assert_complete(box, job)
