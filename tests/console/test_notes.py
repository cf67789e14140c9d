"""Notes in the console."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from identities.enums import Role
from identities.models import Organization
from notes.models import Note, NoteAccess
from tests.console.pages import signed_in, text
from tests.factories.identities import agent, agent_client, organization, person
from tests.factories.notes import note

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
LIST = "/console/notes"
NEW = "/console/notes/new"


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def page_of(name: str, row: Note) -> str:
    return reverse(f"console:{name}", args=[row.pk])


def test_the_list_shows_only_the_own_organization(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    note(acme, f"{HOSTILE}\nsecond line", alpha)
    note(acme, "Body", title="With a title")
    note(organization(), "Somebody foreign")

    page = text(signed_in(acme, Role.MEMBER).get(LIST))

    assert "second line" in page
    assert "With a title" in page
    assert "seen by @alpha" in page
    assert "no agent sees it" in page
    assert HOSTILE not in page
    assert "foreign" not in page
    assert "New note" not in page  # members look


def test_notes_are_found_and_narrowed(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    note(acme, "Ada wants invoices as PDF", alpha)
    note(acme, "Bea wants paper")
    client = signed_in(acme)

    def found(**query: str) -> list[bool]:
        page = text(client.get(LIST, query))
        return [words in page for words in ("Ada wants", "Bea wants")]

    assert found() == [True, True]
    assert found(q="PDF ada") == [True, False]
    assert found(agent="alpha") == [True, False]
    assert found(q="\x00", order="nonsense") == [True, True]
    assert "No note matches" in text(client.get(LIST, {"q": HOSTILE}))
    assert client.get(LIST, {"agent": "nobody"}).status_code == 404


def test_a_list_holds_the_beginning_of_long_texts(acme: Organization) -> None:
    note(acme, "start " + "x" * 1000 + " end")

    page = text(signed_in(acme).get(LIST))

    assert "start x" in page
    assert "…" in page
    assert "end" not in re.sub(r"<[^>]*>", "", page).split("start", 1)[1].split("no agent")[0]


def test_authors_are_named(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    agent_client(alpha).post("/notes", {"body": "By an agent"})
    writer = person(acme)
    signed_in(user=writer).post(NEW, {"body": "By a person"})

    page = text(signed_in(acme).get(LIST))

    assert "@alpha ·" in page
    assert f"{writer.email} ·" in page


def test_many_notes_cost_what_one_costs(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    row = note(acme, "First", alpha)
    client = signed_in(acme)
    paths = [LIST, page_of("note", row), "/console/agents/alpha/book"]
    counts: list[list[int]] = []
    for _ in range(2):
        for path in paths:
            client.get(path)
        counts.append([])
        for path in paths:
            with CaptureQueriesContext(connection) as queries:
                client.get(path)
            counts[-1].append(len(queries))
        for number in range(6):
            other = agent(acme)
            note(acme, f"Note {number}", alpha, other)
            NoteAccess.objects.create(note=row, identity=other)

    assert counts[0] == counts[1]
    assert max(counts[0]) <= 16


def test_a_note_is_written_read_and_changed(acme: Organization) -> None:
    client = signed_in(acme)

    made = client.post(NEW, {"title": "Prices", "body": f"  one\r\n{HOSTILE}"})
    row = Note.objects.get()
    page = text(client.get(page_of("note", row)))
    client.post(page_of("edit_note", row), {"title": "", "body": "two"})

    assert made.headers["Location"] == page_of("note", row)
    assert (row.title, row.body) == ("Prices", f"  one\n{HOSTILE}")
    assert "Prices" in page
    assert HOSTILE not in page
    assert "No agent sees this note." in page
    row.refresh_from_db()
    assert (row.title, row.body, row.search_text) == (None, "two", "two")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"body": ""}, "This field is required."),
        ({"body": "x", "title": "a\x01b"}, "Remove line breaks and control characters."),
        ({"body": "x", "title": "t" * 256}, "at most 255 characters"),
        ({"body": "a\x00b"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_note_is_refused(acme: Organization, form: dict[str, str], said: str) -> None:
    response = signed_in(acme).post(NEW, form)

    assert response.status_code == 422
    assert said in text(response)
    assert not Note.objects.exists()


def test_who_was_slower_is_told(acme: Organization) -> None:
    row = note(acme, "Zero")
    client = signed_in(acme)
    path = page_of("edit_note", row)
    seen = re.findall(r'name="seen" value="([^"]+)"', text(client.get(path)))[0]
    client.post(path, {"body": "First", "seen": seen})

    refused = client.post(path, {"body": "Second", "seen": seen})
    row.refresh_from_db()
    assert (refused.status_code, row.body) == (422, "First")
    assert "Somebody changed this note meanwhile." in text(refused)
    again = re.findall(r'name="seen" value="([^"]+)"', text(refused))[0]
    client.post(path, {"body": "Second", "seen": again})

    row.refresh_from_db()
    assert row.body == "Second"


def test_a_note_is_shown_to_an_agent_and_hidden(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    row = note(acme, "For alpha")
    client, reader = signed_in(acme), agent_client(alpha)

    def reads() -> int:
        return reader.get(f"/notes/{row.pk}").status_code

    before = reads()
    client.post(page_of("note_access", row), {"do": "show", "agent": "alpha"})
    shown = reads()
    book = text(client.get("/console/agents/alpha/book"))
    client.post(page_of("note_access", row), {"do": "hide", "agent": "alpha"})

    assert (before, shown, reads()) == (404, 200, 404)
    assert "For alpha" in book


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "show", "agent": "foreign"}, "Choose one of your agents."),
        ({"do": "show", "agent": ""}, "Choose one of your agents."),
        ({"do": "hide", "agent": "alpha"}, "This identity has no access to the note"),
        ({"do": "nonsense", "agent": "alpha"}, "Choose who sees the note."),
    ],
)
def test_a_wrong_grant_changes_nothing(acme: Organization, form: dict[str, str], said: str) -> None:
    agent(acme, "alpha")
    agent(organization(), "foreign")
    row = note(acme)

    page = text(signed_in(acme).post(page_of("note_access", row), form, follow=True))

    assert said in page
    assert not NoteAccess.objects.exists()


def test_a_note_is_deleted(acme: Organization) -> None:
    row = note(acme, "Gone", agent(acme))

    assert signed_in(acme).post(page_of("delete_note", row)).headers["Location"] == LIST
    assert not Note.objects.exists()
    assert not NoteAccess.objects.exists()


@pytest.mark.parametrize("name", ["edit_note", "note_access", "delete_note"])
def test_members_change_nothing(acme: Organization, name: str) -> None:
    agent(acme, "alpha")
    row = note(acme, "Kept")
    form: dict[str, Any] = {"body": "Other", "do": "show", "agent": "alpha"}

    response = signed_in(acme, Role.MEMBER).post(page_of(name, row), form)

    assert response.status_code == 403
    assert Note.objects.get().body == "Kept"
    assert not NoteAccess.objects.exists()
    assert signed_in(acme, Role.MEMBER).post(NEW, {"body": "New"}).status_code == 403
