"""Create, read, change and delete notes (contract contacts-notes.md section 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from notes.models import Note, NoteAccess
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    key_row,
    organization,
    person,
    session,
)
from tests.factories.notes import grant, note
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_a_new_note_of_an_administrator_is_seen_by_no_agent() -> None:
    acme = organization()
    client = admin_client(acme)

    with time_machine.travel(START, tick=False):
        answer = client.post("/notes", {"title": "Shopping", "body": "Milk"})

    key = key_row(client._headers["X-API-Key"])
    row = Note.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": str(row.pk),
        "organization_id": acme.pk,
        "created_by": key.pk,
        "title": "Shopping",
        "body": "Milk",
        "status": "active",
        "access": [],
        "created_at": "2026-05-04T12:00:00Z",
        "updated_at": "2026-05-04T12:00:00Z",
    }
    assert agent_client(agent(acme)).get("/notes").json() == []


def test_an_agent_sees_what_it_writes() -> None:
    alpha = agent()
    client = agent_client(alpha)

    made = client.post("/notes", {"body": "Mine"}).json()

    [grant_row] = made["access"]
    assert grant_row == {
        "id": str(NoteAccess.objects.get().pk),
        "note_id": made["id"],
        "identity_id": str(alpha.pk),
        "created_at": made["created_at"],
    }
    assert made["created_by"] == key_row(client._headers["X-API-Key"]).pk
    assert made["title"] is None
    assert client.get(f"/notes/{made['id']}").json() == made
    assert client.get("/notes").json() == [made]


def test_a_person_is_named_as_the_writer() -> None:
    acme = organization()
    user = person(acme)

    made = ApiClient(bearer=session(acme, user=user)).post("/notes", {"body": "x"}).json()

    assert made["created_by"] == user.pk
    assert made["access"] == []


@pytest.mark.parametrize(
    "body",
    [
        "  two spaces \r\n\ttab and trailing \n",
        "\n",
        "a\u0001b",
        "🤖",
        "e\u0301",
        "x" * 100_000,
    ],
    ids=["spaces", "newline", "control", "emoji", "decomposed", "longest"],
)
def test_bodies_come_back_as_they_were_sent(body: str) -> None:
    client = admin_client()

    made = client.post("/notes", {"body": body, "title": " Kept as it is "}).json()

    assert made["body"] == body
    assert made["title"] == " Kept as it is "
    assert client.get(f"/notes/{made['id']}").json()["body"] == body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"body": ""}, "body"),
        ({"body": None}, "body"),
        ({"body": 7}, "body"),
        ({"body": ["x"]}, "body"),
        ({"body": "x" * 100_001}, "body"),
        ({"body": "a\u0000b"}, "body"),
        ({"body": "x", "title": "y" * 256}, "title"),
        ({"body": "x", "title": 7}, "title"),
        ({"body": "x", "title": "a\u0000b"}, "title"),
        ({"body": "x", "created_by": "somebody"}, "created_by"),
        ({"body": "x", "access": []}, "access"),
    ],
)
def test_what_is_no_note_is_refused(body: dict[str, Any], field: str) -> None:
    client = agent_client(agent())
    before = all_rows()

    answer = client.post("/notes", body)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", field]]
    assert all_rows() == before


def test_titles_up_to_255_characters_and_empty_ones() -> None:
    client = admin_client()

    assert client.post("/notes", {"body": "x", "title": "t" * 255}).json()["title"] == "t" * 255
    assert client.post("/notes", {"body": "x", "title": ""}).json()["title"] is None
    assert client.post("/notes", {"body": "x", "title": None}).json()["title"] is None


@pytest.mark.parametrize(
    ("changes", "title", "body"),
    [
        ({"title": "New"}, "New", "Old body"),
        ({"body": "New body"}, "Old", "New body"),
        ({"title": "New", "body": "New body"}, "New", "New body"),
        ({"title": None}, None, "Old body"),
        ({"title": ""}, None, "Old body"),
    ],
)
def test_only_supplied_fields_change(changes: dict[str, Any], title: str | None, body: str) -> None:
    acme = organization()
    with time_machine.travel(START, tick=False):
        row = note(acme, "Old body", title="Old")

    with time_machine.travel(START + timedelta(minutes=1), tick=False):
        answer = admin_client(acme).patch(f"/notes/{row.pk}", changes)

    assert answer.status_code == 200
    found = answer.json()
    assert (found["title"], found["body"]) == (title, body)
    assert (found["created_at"], found["updated_at"]) == ("2026-05-04T12:00:00Z", "2026-05-04T12:01:00Z")


def test_an_empty_change_changes_nothing() -> None:
    acme = organization()
    row, client = note(acme), admin_client(acme)
    before = all_rows()

    answer = client.patch(f"/notes/{row.pk}", {})

    assert answer.status_code == 200
    assert answer.json() == client.get(f"/notes/{row.pk}").json()
    assert all_rows() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"body": None}, "body"),
        ({"body": ""}, "body"),
        ({"body": "x" * 100_001}, "body"),
        ({"title": "y" * 256, "body": "fine"}, "title"),
        ({"created_by": "me"}, "created_by"),
        ({"status": "deleted"}, "status"),
    ],
)
def test_changes_that_break_a_note_are_refused(changes: dict[str, Any], field: str) -> None:
    acme = organization()
    row, client = note(acme), admin_client(acme)
    before = all_rows()

    answer = client.patch(f"/notes/{row.pk}", changes)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", field]]
    assert all_rows() == before


def test_an_agent_changes_and_deletes_what_it_was_granted() -> None:
    acme = organization()
    alpha = agent(acme)
    row, client = note(acme, "From a person", alpha), agent_client(alpha)

    assert client.patch(f"/notes/{row.pk}", {"body": "From both"}).json()["body"] == "From both"
    assert client.delete(f"/notes/{row.pk}").status_code == 204
    assert not Note.objects.exists()
    assert not NoteAccess.objects.exists()


def test_deleted_notes_are_gone_for_everybody() -> None:
    acme = organization()
    alpha = agent(acme)
    row = note(acme, "x", alpha)
    client = admin_client(acme)

    answer = client.delete(f"/notes/{row.pk}/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert client.delete(f"/notes/{row.pk}").status_code == 404
    assert client.patch(f"/notes/{row.pk}", {"title": "x"}).status_code == 404
    assert agent_client(alpha).get(f"/notes/{row.pk}").json() == {"detail": "Note not found"}


@pytest.mark.parametrize("note_id", ["00000000-0000-7000-8000-000000000000", "no-uuid", "%00", "access", "../notes"])
def test_unknown_notes_are_not_found(note_id: str) -> None:
    client = admin_client()

    assert client.get(f"/notes/{note_id}").status_code == 404
    assert client.patch(f"/notes/{note_id}", {"title": "x"}).status_code == 404
    assert client.delete(f"/notes/{note_id}").status_code == 404


def test_sharing_a_note_does_not_make_it_recent() -> None:
    acme = organization()
    with time_machine.travel(START, tick=False):
        row = note(acme)

    grant(row, agent(acme))

    assert Note.objects.get().updated_at == START
