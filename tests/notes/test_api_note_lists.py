"""Lists of notes: order, pages, search, whose view (contract contacts-notes.md section 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from common.folding import fold
from notes.search import query_parts, search_text
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.notes import note

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


def bodies(client: ApiClient, query: str = "") -> list[str]:
    """The bodies of a list, in its order."""
    answer = client.get(f"/notes{query}")
    assert answer.status_code == 200, answer.content
    return [row["body"] for row in answer.json()]


@pytest.fixture
def client() -> ApiClient:
    """Of an organization with three notes, the first of which was changed last."""
    acme = organization()
    rows = []
    for number, body in enumerate(["first", "second", "third"]):
        with time_machine.travel(START + timedelta(minutes=number), tick=False):
            rows.append(note(acme, body))
    made = admin_client(acme)
    with time_machine.travel(START + timedelta(hours=1), tick=False):
        made.patch(f"/notes/{rows[0].pk}", {"title": "Changed"})
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["first", "third", "second"]),
        ("?order=recent", ["first", "third", "second"]),
        ("?order=created", ["third", "second", "first"]),
        # Sent by a client in the field; no note has a name.
        ("?order=name", ["first", "third", "second"]),
        ("?limit=1", ["first"]),
        ("?limit=1&offset=1", ["third"]),
        ("?limit=2&offset=2&order=created", ["first"]),
        ("?offset=3", []),
        ("?q=", ["first", "third", "second"]),
        ("?q=%20", ["first", "third", "second"]),
    ],
)
def test_orders_and_pages(client: ApiClient, query: str, found: list[str]) -> None:
    assert bodies(client, query) == found
    assert bodies(client, "/" + query) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=1000001", "offset"),
        ("order=title", "order"),
        ("identity_id=alpha", "identity_id"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
    ],
)
def test_queries_that_mean_nothing_are_refused(client: ApiClient, query: str, field: str) -> None:
    answer = client.get(f"/notes?{query}")

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["query", field]]


def test_fifty_notes_unless_more_are_asked_for() -> None:
    acme = organization()
    for number in range(60):
        note(acme, str(number))
    client = admin_client(acme)

    assert len(bodies(client)) == 50
    assert len(bodies(client, "?limit=200")) == 60


@pytest.mark.parametrize(
    ("q", "is_found"),
    [
        ("budget", True),
        ("BUDGET", True),
        ("udge", True),
        ("apfel", True),
        ("ÄPFEL", True),
        ("Apfel budget", True),
        ("budget apfel", True),
        ("100%", True),
        ("10%0", False),
        ("a_b", True),
        ("a.b", False),
        ("axb", False),
        ("back\\slash", True),
        ("quarterly", True),
        ("report 2026", True),
        ("report2026", False),
        ("budget pears", False),
        ('"quoted"', True),
        ("'; --", False),
        ("漢", True),
    ],
)
def test_every_word_must_be_in_title_or_body(q: str, is_found: bool) -> None:
    acme = organization()
    note(acme, 'The Budget: Äpfel at 100%, a_b, back\\slash, "quoted" 漢字', title="Quarterly Report\n2026")
    note(acme, "unrelated")

    assert len(bodies(admin_client(acme), f"?q={quote(q)}")) == is_found


def test_searching_finds_what_the_note_says_now() -> None:
    acme = organization()
    row, client = note(acme, "old words", title="Old title"), admin_client(acme)

    client.patch(f"/notes/{row.pk}", {"title": None, "body": "New Words"})

    assert bodies(client, "?q=new") == ["New Words"]
    assert bodies(client, "?q=old") == []
    assert bodies(client, "?q=none") == []


def test_an_agent_searches_only_what_it_was_granted() -> None:
    acme = organization()
    alpha, bravo = agent(acme), agent(acme)
    note(acme, "shared plan", alpha, bravo)
    note(acme, "plan of bravo", bravo)
    note(acme, "plan of people")

    assert bodies(agent_client(alpha), "?q=plan") == ["shared plan"]
    assert bodies(agent_client(bravo), "?q=plan&order=created") == ["plan of bravo", "shared plan"]
    assert len(bodies(admin_client(acme), "?q=plan")) == 3


def test_notes_that_an_identity_can_see() -> None:
    acme, other = organization(), organization()
    alpha, bravo = agent(acme), agent(acme)
    note(acme, "for alpha", alpha)
    note(acme, "for both", alpha, bravo)
    note(acme, "for people")
    foreign = agent(other)
    note(other, "elsewhere", foreign)
    client = admin_client(acme)

    assert bodies(client, f"?identity_id={alpha.pk}&order=created") == ["for both", "for alpha"]
    assert bodies(client, f"?identity_id={bravo.pk}") == ["for both"]
    assert bodies(client, f"?identity_id={foreign.pk}") == []
    assert bodies(client, f"?identity_id={uuid4()}") == []
    # An agent does not learn what others see, not even of what it sees too.
    assert bodies(agent_client(alpha), f"?identity_id={bravo.pk}") == []
    assert bodies(agent_client(bravo), f"?identity_id={bravo.pk}") == ["for both"]


def _queries(client: ApiClient, path: str) -> int:
    client.get(path)  # the first use of a key is written down
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("path", ["/notes", "/notes?q=a%20note", "/notes?order=created"])
def test_a_list_of_fifty_costs_what_a_list_of_one_costs(path: str) -> None:
    acme = organization()
    alpha, bravo = agent(acme), agent(acme)
    note(acme, "a note", alpha, bravo)
    for client in (admin_client(acme), agent_client(alpha)):
        # The key, the notes, their grants.
        assert _queries(client, path) == 3
    for _ in range(49):
        note(acme, "a note", alpha, bravo)

    for client in (admin_client(acme), agent_client(alpha)):
        assert _queries(client, path) == 3
    assert _queries(client, f"/notes/{client.get('/notes').json()[0]['id']}") == 3


def test_the_text_that_is_searched_is_not_read(client: ApiClient) -> None:
    with CaptureQueriesContext(connection) as captured:
        client.get("/notes")

    assert not [query["sql"] for query in captured if '"search_text"' in query["sql"]]


@given(st.text(max_size=60), st.text(min_size=1, max_size=200), st.data())
def test_any_piece_of_a_note_finds_it(title: str, body: str, data: Any) -> None:
    searched = search_text(title or None, body)
    words = searched.split()
    chosen = data.draw(st.lists(st.sampled_from(words), max_size=5)) if words else []

    parts = query_parts(" ".join(chosen))

    assert all(part in searched for part in parts)
    assert all(fold(part) in searched for part in chosen)
    # Nothing that was asked for is lost by leaving out parts of other parts.
    assert all(any(word in part for part in parts) for word in chosen)


def test_what_folding_blows_up_is_cut() -> None:
    # One character that folds to eighteen.
    assert len(search_text(None, "\ufdfa" * 100_000)) == 150_000
