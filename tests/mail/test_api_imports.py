"""Import jobs over the API: create, upload, start, list, cancel, and every refusal."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.conf import settings
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from common.clock import now
from identities.enums import Role
from mail.imports import limits
from mail.imports.states import OPEN, ImportEvent, ImportStatus, next_status, statuses_before
from mail.models import ImportJob, Mailbox, Message
from mail.services.importing import run_import
from mail.services.imports import expire_imports, purge_uploads
from mail.uploads import NewUpload, open_upload
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.factories.imports import as_mbox, job_in, new_job, old_mail, queued_job, send_upload, upload
from tests.factories.mail import mailbox_of
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

MBOX = as_mbox([old_mail(1)])


@pytest.fixture(autouse=True)
def uploads(tmp_path: Path, settings: Any) -> Path:
    """An upload folder of the test's own."""
    settings.BLOB_DIR = tmp_path / "blobs"
    return tmp_path / "blobs" / "uploads"


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="archive"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def path(box: Mailbox, job: ImportJob | str | None = None, action: str = "") -> str:
    which = f"/{job.pk if isinstance(job, ImportJob) else job}" if job else ""
    return f"/mail/mailboxes/{box.email_address}/imports{which}{action}"


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*"))


def test_an_import_from_beginning_to_end(box: Mailbox, client: ApiClient, uploads: Path) -> None:
    created = client.post(path(box), {"original_addresses": ["Me@Former.example"], "mark_as_read": False})

    assert created.status_code == 201
    job, target = created.json()["job"], created.json()["upload"]
    assert job == {
        "id": job["id"],
        "mailbox_id": str(box.pk),
        "status": "pending_upload",
        "source_format": "auto",
        "original_addresses": ["me@former.example"],
        "mark_as_read": False,
        "upload_size_bytes": None,
        "messages_processed": 0,
        "messages_imported": 0,
        "messages_skipped_duplicate": 0,
        "messages_failed": 0,
        "messages_rejected_unsafe": 0,
        "error_detail": None,
        "created_at": job["created_at"],
        "updated_at": job["created_at"][:19] + job["updated_at"][19:],
        "started_at": None,
        "finished_at": None,
    }
    assert target["url"].startswith("http://localhost:8000/uploads/")
    assert target["expires_in_seconds"] == 300
    assert target["fields"]["key"] == f"imports/{job['id']}"

    assert send_upload(target, MBOX).status_code == 204
    assert client.get(path(box, job["id"])).json()["upload_size_bytes"] == len(MBOX)
    assert len(files(uploads)) == 1

    started = client.post(path(box, job["id"], "/start"))
    assert (started.status_code, started.json()["status"]) == (200, "queued")
    run_import(UUID(job["id"]))

    done = client.get(path(box, job["id"])).json()
    assert (done["status"], done["messages_processed"], done["messages_imported"]) == ("completed", 1, 1)
    assert done["started_at"] <= done["finished_at"]
    assert client.get(path(box)).json() == {"items": [done], "has_more": False, "next_cursor": None}
    listed = client.get(f"/mail/mailboxes/{box.email_address}/messages").json()["items"]
    assert [(row["import_job_id"], row["is_read"]) for row in listed] == [(job["id"], False)]
    assert files(uploads) == []


def test_no_body_at_all_is_a_job_with_the_defaults(box: Mailbox, client: ApiClient) -> None:
    job = client.post(path(box)).json()["job"]

    assert (job["source_format"], job["original_addresses"], job["mark_as_read"]) == ("auto", [], True)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"source_format": "pst"}, ["body", "source_format"]),
        ({"original_addresses": "a@b.example"}, ["body", "original_addresses"]),
        ({"original_addresses": ["nobody"]}, ["body", "original_addresses", 0]),
        ({"original_addresses": [f"a{n}@b.example" for n in range(21)]}, ["body", "original_addresses"]),
        ({"mark_as_read": "yes"}, ["body", "mark_as_read"]),
        ({"mark_as_read": None}, ["body", "mark_as_read"]),
    ],
)
def test_a_bad_body_is_refused(box: Mailbox, client: ApiClient, body: dict[str, Any], loc: list[Any]) -> None:
    answer = client.post(path(box), body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize("status", OPEN)
def test_one_open_job_for_each_mailbox(box: Mailbox, client: ApiClient, status: str) -> None:
    job_in(box, ImportStatus(status))

    answer = client.post(path(box))

    assert answer.status_code == 409
    assert answer.json()["detail"]["error"] == "mail_import_already_in_flight"
    assert ImportJob.objects.count() == 1


@pytest.mark.parametrize("status", sorted(set(ImportStatus) - set(OPEN)))
def test_a_finished_job_makes_room(box: Mailbox, client: ApiClient, status: str) -> None:
    job_in(box, ImportStatus(status))

    assert client.post(path(box)).status_code == 201


def test_twenty_jobs_a_day_for_the_organization(box: Mailbox, client: ApiClient) -> None:
    start = now()
    other = mailbox_of(agent(box.organization))
    for number in range(20):
        job_in([box, other][number % 2], ImportStatus.CANCELLED, created_at=start + timedelta(minutes=number))
    with time_machine.travel(start + timedelta(hours=23), tick=False):
        refused = client.post(path(box))
    with time_machine.travel(start + timedelta(hours=24, seconds=1), tick=False):
        allowed = client.post(path(box))

    assert refused.status_code == 429
    detail = refused.json()["detail"]
    assert (detail["error"], detail["retry_after_seconds"]) == ("mail_import_quota_exceeded", 3601)
    assert refused.headers["Retry-After"] == "3601"
    assert allowed.status_code == 201
    assert ImportJob.objects.count() == 21


def test_the_quota_of_another_organization_does_not_count(box: Mailbox, client: ApiClient) -> None:
    other = mailbox_of(agent())
    for _ in range(20):
        job_in(other, ImportStatus.CANCELLED)

    assert client.post(path(box)).status_code == 201


def test_pages_are_stable_and_newest_first(box: Mailbox, client: ApiClient) -> None:
    rows = [job_in(box, ImportStatus.CANCELLED) for _ in range(5)]

    first = client.get(path(box) + "?limit=2").json()
    rest = client.get(path(box) + f"?limit=4&cursor={first['next_cursor']}").json()

    assert [row["id"] for row in first["items"] + rest["items"]] == [str(row.pk) for row in reversed(rows)]
    assert (first["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)
    assert first["items"][0]["original_addresses"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x"])
def test_a_bad_query_is_refused(box: Mailbox, client: ApiClient, query: str) -> None:
    assert client.get(path(box) + f"?{query}").status_code == 422


ACTIONS: dict[str, ImportEvent] = {
    "/upload-url": ImportEvent.UPLOAD,
    "/start": ImportEvent.START,
    "/cancel": ImportEvent.CANCEL,
}


@pytest.mark.parametrize("status", ImportStatus)
@pytest.mark.parametrize("action", ACTIONS)
def test_what_may_be_done_in_which_state(box: Mailbox, client: ApiClient, action: str, status: ImportStatus) -> None:
    job = job_in(box, status, upload_key="0" * 32)
    expected = next_status(status, ACTIONS[action])
    before = all_rows()

    answer = client.post(path(box, job, action))

    job.refresh_from_db()
    if expected is None:
        assert answer.status_code == 409
        assert answer.json()["detail"]["error"] == "mail_import_state_conflict"
        assert all_rows() == before
    else:
        assert answer.status_code == 200
        assert job.status == expected
        if action == "/cancel":
            assert answer.json()["finished_at"] is not None


EVENTS = {
    ImportEvent.UPLOAD: "pending_upload: pending_upload",
    ImportEvent.START: "pending_upload: queued",
    ImportEvent.CLAIM: "queued: running, running: running",
    ImportEvent.COMPLETE: "running: completed",
    ImportEvent.FAIL: "running: failed",
    ImportEvent.CANCEL: "pending_upload: cancelled, queued: cancelled, running: cancelled",
    ImportEvent.EXPIRE: "pending_upload: cancelled",
}


@pytest.mark.parametrize("event", ImportEvent)
def test_every_state_with_every_event(event: ImportEvent) -> None:
    found = {status: target for status in ImportStatus if (target := next_status(status, event)) is not None}

    assert ", ".join(f"{status}: {target}" for status, target in found.items()) == EVENTS[event]
    assert set(statuses_before(event)) == set(found)


def test_a_job_without_upload_does_not_start(box: Mailbox, client: ApiClient) -> None:
    job = new_job(box)

    answer = client.post(path(box, job, "/start"))

    assert answer.status_code == 409
    assert answer.json()["detail"]["message"].endswith("upload the archive before you start it.")
    job.refresh_from_db()
    assert job.status == "pending_upload"


def test_a_second_upload_replaces_the_first(box: Mailbox, client: ApiClient, uploads: Path) -> None:
    job = new_job(box)
    target = client.post(path(box, job, "/upload-url")).json()

    assert send_upload(target, MBOX).status_code == 204
    assert send_upload(target, MBOX + MBOX).status_code == 204

    job.refresh_from_db()
    assert files(uploads) == [job.upload_key]
    assert job.upload_size_bytes == 2 * len(MBOX)
    with open_upload(job.upload_key or "") as file:
        assert file.read() == MBOX + MBOX


@pytest.fixture
def target(box: Mailbox, client: ApiClient) -> dict[str, Any]:
    made: dict[str, Any] = client.post(path(box, new_job(box), "/upload-url")).json()
    return made


def _policy(**changes: Any) -> str:
    signed = {"key": "imports/x", "expires_at": 9_999_999_999, "max_bytes": 1} | changes
    return base64.urlsafe_b64encode(json.dumps(signed).encode()).decode()


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "imports/other"},
        {"policy": _policy()},
        {"policy": "ü"},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": "ü"},
    ],
)
def test_changed_form_fields_are_refused(
    box: Mailbox, target: dict[str, Any], changed: dict[str, str], uploads: Path
) -> None:
    answer = send_upload(target, MBOX, **changed)

    assert answer.status_code == 403
    assert answer.json()["detail"]["error"] == "upload_target_refused"
    assert files(uploads) == []
    assert ImportJob.objects.get().upload_key is None


def test_the_fields_of_one_job_do_not_open_the_address_of_another(box: Mailbox, target: dict[str, Any]) -> None:
    other = mailbox_of(agent())
    job = new_job(other)
    foreign = admin_client(other.organization).post(path(other, job, "/upload-url")).json()

    answer = send_upload({**target, "fields": foreign["fields"]}, MBOX)

    assert answer.status_code == 403
    assert not ImportJob.objects.filter(upload_key__isnull=False).exists()


@pytest.mark.parametrize("token", ["x", "a:b:c", signing.dumps(str(uuid4()), salt="other")])
def test_a_forged_address_is_refused(target: dict[str, Any], token: str, uploads: Path) -> None:
    answer = send_upload({**target, "url": f"http://localhost:8000/uploads/{token}"}, MBOX)

    assert answer.status_code == 403
    assert not uploads.exists()


def test_a_target_lives_five_minutes(box: Mailbox, client: ApiClient) -> None:
    start = now()
    with time_machine.travel(start, tick=False):
        target = client.post(path(box, new_job(box), "/upload-url")).json()
    with time_machine.travel(start + timedelta(seconds=299), tick=False):
        assert send_upload(target, MBOX).status_code == 204
    with time_machine.travel(start + timedelta(seconds=302), tick=False):
        late = send_upload(target, MBOX)

    assert late.status_code == 403
    assert late.json()["detail"]["message"] == "This upload target has expired. Ask for a new upload target."


@pytest.mark.parametrize("status", [s for s in ImportStatus if s != ImportStatus.PENDING_UPLOAD])
def test_a_job_that_was_started_or_ended_takes_no_upload(
    target: dict[str, Any], status: ImportStatus, uploads: Path
) -> None:
    ImportJob.objects.update(status=status.value)

    assert send_upload(target, MBOX).status_code == 403
    assert files(uploads) == []


def test_a_form_without_file_or_with_an_empty_one_is_refused(target: dict[str, Any], uploads: Path) -> None:
    assert send_upload(target, MBOX, field="archive").json()["detail"][0]["loc"] == ["body", "file"]
    assert send_upload(target, b"").status_code == 422
    assert files(uploads) == []


def test_an_upload_over_the_limit_is_refused(
    target: dict[str, Any], uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UPLOAD_BYTES", len(MBOX) - 1)

    assert send_upload(target, MBOX).status_code == 413
    assert files(uploads) == []
    assert ImportJob.objects.get().upload_key is None


def test_a_form_that_is_cut_off_leaves_nothing(target: dict[str, Any], uploads: Path) -> None:
    route = target["url"].removeprefix("http://localhost:8000")
    head = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in target["fields"].items()
    )
    body = f'{head}--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nFrom x'.encode()

    cut_in_file = Client().post(route, body, content_type="multipart/form-data; boundary=b")
    cut_in_field = Client().post(route, body[:200], content_type="multipart/form-data; boundary=b")
    no_form = Client().post(route, MBOX, content_type="multipart/form-data")

    assert (cut_in_field.status_code, no_form.status_code) == (403, 422)
    assert cut_in_file.status_code in (204, 422)
    assert len(files(uploads)) == (1 if cut_in_file.status_code == 204 else 0)


def test_cancelling_removes_the_upload(box: Mailbox, client: ApiClient, uploads: Path) -> None:
    job = queued_job(box, MBOX)
    assert len(files(uploads)) == 1

    assert client.post(path(box, job, "/cancel")).json()["status"] == "cancelled"

    assert files(uploads) == []
    run_import(job.pk)
    assert not Message.objects.exists()


def test_a_job_that_nobody_starts_is_cancelled_after_a_day(box: Mailbox, uploads: Path) -> None:
    start = now()
    waiting, started = new_job(box), job_in(mailbox_of(agent()), ImportStatus.QUEUED)
    upload(waiting, MBOX)
    ImportJob.objects.update(created_at=start)

    with time_machine.travel(start + timedelta(hours=23, minutes=59), tick=False):
        assert expire_imports() == 0
    with time_machine.travel(start + timedelta(hours=24), tick=False):
        assert expire_imports() == 1

    waiting.refresh_from_db()
    started.refresh_from_db()
    assert (waiting.status, started.status) == ("cancelled", "queued")
    assert waiting.error_detail == "The import was not started within 24 hours."
    assert files(uploads) == []


def test_files_that_no_open_job_refers_to_are_removed(box: Mailbox, uploads: Path) -> None:
    job = new_job(box)
    upload(job, MBOX)
    lost, partial = NewUpload(), NewUpload()
    lost.write(MBOX)
    lost.finish()
    partial.write(MBOX)

    purge_uploads()
    assert len(files(uploads)) == 3
    with time_machine.travel(now() + timedelta(hours=25), tick=False):
        purge_uploads()

    partial.discard()
    job.refresh_from_db()
    assert files(uploads) == [job.upload_key]


CALLERS = ("admin", "owner", "member", "claimed", "unclaimed", "sibling", "foreign", "no_org", "nobody")


def _caller(name: str) -> tuple[ApiClient, Mailbox]:
    acme = organization()
    alpha, newcomer = agent(acme, "alpha"), unclaimed_agent(acme, "newcomer")
    clients: dict[str, Callable[[], ApiClient]] = {
        "admin": lambda: admin_client(acme),
        "owner": lambda: session_client(acme, Role.OWNER),
        "member": lambda: session_client(acme, Role.MEMBER),
        "claimed": lambda: agent_client(alpha),
        "unclaimed": lambda: agent_client(newcomer),
        "sibling": lambda: agent_client(agent(acme, "sibling")),
        "foreign": lambda: admin_client(organization()),
        "no_org": lambda: ApiClient(bearer=session(None)),
        "nobody": nobody,
    }
    return clients[name](), mailbox_of(newcomer if name == "unclaimed" else alpha)


ROUTES: dict[str, tuple[str, str, int]] = {
    "create": ("POST", "", 201),
    "list": ("GET", "", 200),
    "get": ("GET", "/{job}", 200),
    "upload-url": ("POST", "/{job}/upload-url", 200),
    "start": ("POST", "/{job}/start", 200),
    "cancel": ("POST", "/{job}/cancel", 200),
}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("route", ROUTES)
def test_who_may_call_what(route: str, name: str) -> None:
    method, suffix, success = ROUTES[route]
    client, box = _caller(name)
    status = ImportStatus.CANCELLED if route == "create" else ImportStatus.PENDING_UPLOAD
    job = job_in(box, status, upload_key="0" * 32)
    expected = {"sibling": 404, "foreign": 404, "no_org": 403, "nobody": 401}.get(name, success)
    before = all_rows()

    answer = client.call(method, f"/mail/mailboxes/{box.email_address}/imports{suffix.format(job=job.pk)}")

    assert answer.status_code == expected, answer.content
    if expected >= 400:
        assert all_rows() == before


@pytest.mark.parametrize("suffix", ["", "/upload-url", "/start", "/cancel"])
def test_a_job_is_found_in_its_own_mailbox_only(box: Mailbox, suffix: str) -> None:
    job = job_in(box, ImportStatus.PENDING_UPLOAD, upload_key="0" * 32)
    other = mailbox_of(agent(box.organization))
    client = admin_client(box.organization)
    method = "POST" if suffix else "GET"
    before = all_rows()

    answers = [client.call(method, path(other, str(pk), suffix)) for pk in (job.pk, uuid4(), "1")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert all_rows() == before


def cost(client: ApiClient, method: str, where: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.call(method, where).status_code < 300
    return len(queries)


def test_queries(box: Mailbox, client: ApiClient) -> None:
    client.get(path(box))
    job = job_in(box, ImportStatus.CANCELLED)
    one = cost(client, "GET", path(box))
    for _ in range(30):
        job_in(box, ImportStatus.CANCELLED, created_at=now() - timedelta(days=2))

    assert cost(client, "GET", path(box)) == one <= 3
    assert cost(client, "GET", path(box, job)) <= 3
    assert cost(client, "POST", path(box)) <= 9
    job = ImportJob.objects.get(status="pending_upload")
    assert cost(client, "POST", path(box, job, "/upload-url")) <= 3
    upload(job, MBOX)
    assert cost(client, "POST", path(box, job, "/start")) <= 7
    assert cost(client, "POST", path(box, job, "/cancel")) <= 8


def test_the_body_limit_lets_a_whole_archive_pass() -> None:
    assert settings.MAX_BODY_BYTES_BY_PREFIX["/uploads/"] > limits.UPLOAD_BYTES
