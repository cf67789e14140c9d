"""PUT, GET and DELETE /api/v1/identities/{handle}/avatar (contract identities.md section 10)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from pytest_django import Settings

from common import blobs
from common.clock import now
from common.principal import Profile
from identities.enums import Role
from identities.errors import AvatarNotFound
from identities.models import AgentIdentity, AuditRecord, Avatar, Organization
from identities.services.avatars import remove_avatar, set_avatar
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from mail.services.deleting import purge_deleted_mail
from tests.factories.identities import (
    Answer,
    ApiClient,
    admin_client,
    admin_principal,
    agent,
    agent_client,
    nobody,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.pictures import decoded, picture, png_bomb
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

PATH = "/identities/alpha/avatar"


@pytest.fixture(autouse=True)
def blob_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.BLOB_DIR = tmp_path / "blobs"
    return tmp_path / "blobs"


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


def upload(client: ApiClient, content: bytes, path: str = PATH, part: str = "file") -> Answer:
    """As clients send it: a form with one file."""
    form = encode_multipart(BOUNDARY, {part: SimpleUploadedFile("me.png", content, "image/png")})
    return put(client, path, form, MULTIPART_CONTENT)


def put(client: ApiClient, path: str, body: bytes, content_type: str) -> Answer:
    answer: Answer = Client().generic("PUT", f"/api/v1{path}", body, content_type, headers=client._headers)
    return answer


def test_a_picture_is_made_square_and_served(acme: Organization, alpha: AgentIdentity) -> None:
    client = admin_client(acme)
    assert client.get("/identities/alpha").json()["has_avatar"] is False

    made = upload(client, picture("PNG"))

    assert made.status_code == 200
    assert made.json()["has_avatar"] is True
    assert made.json() == client.get("/identities/alpha").json()
    assert [row["has_avatar"] for row in client.get("/identities").json()] == [True]
    served = client.get(PATH)
    assert served.status_code == 200
    image = decoded(served.content)
    assert (image.format, image.size) == ("JPEG", (600, 600))
    assert Avatar.objects.get().size_bytes == len(served.content)


def test_it_is_served_as_nothing_but_a_picture(acme: Organization, alpha: AgentIdentity) -> None:
    client = agent_client(alpha)
    upload(client, picture())

    headers = client.get(PATH).headers

    assert headers["Content-Type"] == "image/jpeg"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Content-Disposition"] == 'inline; filename="avatar.jpg"'
    assert headers["Cache-Control"] == "private, no-cache"


def test_who_has_it_already_is_told_so(alpha: AgentIdentity) -> None:
    client = agent_client(alpha)
    upload(client, picture())
    etag = client.get(PATH).headers["ETag"]

    same = client.get(PATH, If_None_Match=etag)
    upload(client, picture(color="blue"))
    other = client.get(PATH, If_None_Match=etag)

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert other.status_code == 200
    assert decoded(other.content).getpixel((300, 300)) == (0, 0, 254)


def test_removing_it(acme: Organization, alpha: AgentIdentity) -> None:
    client = agent_client(alpha)
    upload(client, picture())

    assert client.delete(PATH).status_code == 204
    assert client.get("/identities/alpha").json()["has_avatar"] is False
    before = all_rows()
    for method in ("GET", "DELETE"):
        answer = client.call(method, PATH)
        assert (answer.status_code, answer.json()) == (404, {"detail": "This identity has no avatar"})
    assert all_rows() == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"no picture", 415),
        (b"", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (picture("BMP"), 415),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 1000, 415),
        (png_bomb(40_000, 40_000), 413),
        (b"x" * (5 * 1024 * 1024 + 1), 413),
        (picture() + b"x" * (5 * 1024 * 1024), 413),
    ],
    ids=["text", "empty", "svg", "bmp", "broken", "bomb", "large", "padded"],
)
def test_what_is_refused_leaves_the_picture_before(
    alpha: AgentIdentity, blob_dir: Path, content: bytes, status: int
) -> None:
    client = agent_client(alpha)
    upload(client, picture())
    before, files = all_rows(), sorted(blob_dir.rglob("*"))

    answer = upload(client, content)

    assert answer.status_code == status
    assert answer.json()["detail"].endswith(("Send a smaller one.", "Send a JPEG, PNG, GIF or WebP file."))
    assert all_rows() == before
    assert sorted(blob_dir.rglob("*")) == files


def test_a_picture_of_the_largest_size_is_taken(alpha: AgentIdentity) -> None:
    content = picture("JPEG")

    assert upload(agent_client(alpha), content + bytes(5 * 1024 * 1024 - len(content))).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (picture(), "image/png", 415),
        (picture(), "application/octet-stream", 415),
        (b"", "application/json", 422),
        (b"file=x", "application/x-www-form-urlencoded", 415),
        (b"no form", MULTIPART_CONTENT, 422),
        (b"x", "multipart/form-data", 422),
        (encode_multipart(BOUNDARY, {"file": "text"}), MULTIPART_CONTENT, 422),
    ],
)
def test_only_a_form_with_the_file_is_understood(
    alpha: AgentIdentity, body: bytes, content_type: str, status: int
) -> None:
    client = agent_client(alpha)
    before = all_rows()

    answer = put(client, PATH, body, content_type)

    assert answer.status_code == status, answer.content
    assert answer.json()["detail"]
    assert all_rows() == before


def test_one_part_named_file(alpha: AgentIdentity) -> None:
    client = agent_client(alpha)
    two = [SimpleUploadedFile(f"{n}.png", picture(), "image/png") for n in range(2)]

    other_name = upload(client, picture(), part="avatar")
    twice = put(client, PATH, encode_multipart(BOUNDARY, {"file": two}), MULTIPART_CONTENT)

    for answer in (other_name, twice):
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "file"]
    assert not Avatar.objects.exists()


def test_pictures_are_not_made_without_end(acme: Organization, alpha: AgentIdentity) -> None:
    client, small = agent_client(alpha), picture(size=(1, 1))
    for _ in range(30):
        assert upload(client, small).status_code == 200
    before = all_rows()

    answer = upload(client, small)

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert all_rows() == before


MATRIX = [
    # caller, PUT, GET, DELETE
    ("admin", 200, 200, 204),
    ("owner", 200, 200, 204),
    ("member", 403, 200, 403),
    ("own", 200, 200, 204),
    ("unclaimed", 200, 404, 404),
    ("sibling", 404, 404, 404),
    ("viewer", 403, 404, 403),
    ("foreign", 404, 404, 404),
    ("nobody", 401, 401, 401),
]


@pytest.mark.parametrize("number", range(3), ids=["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("row", MATRIX, ids=[row[0] for row in MATRIX])
def test_who_may_call_what(acme: Organization, alpha: AgentIdentity, row: tuple[Any, ...], number: int) -> None:
    set_avatar(admin_principal(acme), alpha, picture())
    caller, status = row[0], row[number + 1]
    viewer = agent(acme, "viewer")
    if caller == "viewer":
        admin_client(acme).post("/identities/alpha/access", {"viewer_identity_id": str(viewer.pk)})
    newcomer = unclaimed_agent(acme, "newcomer")
    clients: dict[str, Callable[[], ApiClient]] = {
        "admin": lambda: admin_client(acme),
        "owner": lambda: session_client(acme, Role.OWNER),
        "member": lambda: session_client(acme, Role.MEMBER),
        "own": lambda: agent_client(alpha),
        "unclaimed": lambda: agent_client(newcomer),
        "sibling": lambda: agent_client(viewer),
        "viewer": lambda: agent_client(viewer),
        "foreign": lambda: admin_client(organization()),
        "nobody": nobody,
    }
    client = clients[caller]()
    path = "/identities/newcomer/avatar" if caller == "unclaimed" else PATH
    before = all_rows()

    calls: list[Callable[[], Answer]] = [
        lambda: upload(client, picture(color="blue"), path),
        lambda: client.get(path),
        lambda: client.delete(path),
    ]
    answer = calls[number]()

    assert answer.status_code == status
    if status >= 400:
        assert all_rows() == before


@pytest.mark.parametrize("profile", list(Profile))
def test_it_ends_with_the_identity(acme: Organization, alpha: AgentIdentity, profile: Profile) -> None:
    set_avatar(admin_principal(acme), alpha, picture())

    delete_identity(alpha, profile)

    assert not Avatar.objects.exists()


def test_it_follows_the_identity_to_another_organization(acme: Organization, alpha: AgentIdentity) -> None:
    set_avatar(admin_principal(acme), alpha, picture())
    after = organization()

    move_identity(alpha, after)

    assert admin_client(after).get(PATH).status_code == 200
    assert admin_client(acme).get(PATH).status_code == 404


def test_the_sweep_leaves_pictures_in_use_and_removes_others(acme: Organization, alpha: AgentIdentity) -> None:
    principal = admin_principal(acme)
    set_avatar(principal, alpha, picture(color="blue"))
    replaced = Avatar.objects.get().blob_key
    set_avatar(principal, alpha, picture())
    kept = Avatar.objects.get().blob_key

    with time_machine.travel(now() + timedelta(days=2), tick=False):
        purge_deleted_mail()

    assert blobs.store().get(kept).startswith(b"\xff\xd8\xff")
    with pytest.raises(blobs.BlobMissing):
        blobs.store().get(replaced)


def test_a_picture_that_was_not_restored_is_not_found(acme: Organization, alpha: AgentIdentity, blob_dir: Path) -> None:
    set_avatar(admin_principal(acme), alpha, picture())
    for file in blob_dir.rglob("*"):
        if file.is_file():
            file.unlink()

    assert admin_client(acme).get(PATH).status_code == 404


def test_it_is_in_the_audit_log(acme: Organization, alpha: AgentIdentity) -> None:
    client = agent_client(alpha)
    upload(client, picture())
    client.delete(PATH)

    rows = AuditRecord.objects.filter(action="identity.updated", target_id=str(alpha.pk))

    assert [row.details for row in rows] == [{"fields": ["avatar"]}] * 2


@pytest.mark.django_db(transaction=True)
def test_of_two_removals_at_once_one_succeeds() -> None:
    acme = organization()
    alpha, principal = agent(acme, "alpha"), admin_principal(acme)
    set_avatar(principal, alpha, picture())
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def remove() -> None:
        try:
            together.wait(timeout=10)
            remove_avatar(principal, alpha)
            outcomes.append("removed")
        except AvatarNotFound:
            outcomes.append("not found")
        finally:
            connection.close()

    threads = [threading.Thread(target=remove) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["not found", "removed"]


@pytest.mark.django_db(transaction=True)
def test_pictures_that_come_at_once_leave_one_row() -> None:
    acme = organization()
    alpha, principal = agent(acme, "alpha"), admin_principal(acme)

    def replace(color: str) -> None:
        try:
            set_avatar(principal, alpha, picture(color=color))
        finally:
            connection.close()

    threads = [threading.Thread(target=replace, args=(color,)) for color in ("red", "blue", "green")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert decoded(blobs.store().get(Avatar.objects.get().blob_key)).size == (600, 600)
