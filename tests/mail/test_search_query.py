"""Reading queries (mail/search/query.py) and writing them for the databases (mail/search/rendering.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from mail.search.entries import entry_number, first_number
from mail.search.query import Clause, Flag, Place, parse_query
from mail.search.rendering import Fts5, TsQuery, ranked_conditions

BOX = UUID("0198a0f0-0000-7000-8000-0000deadbeef")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("invoice", [Clause(("invoice",), is_prefix=True)]),
        ("invoice ", [Clause(("invoice",))]),
        ("in", [Clause(("in",))]),
        ("in*", [Clause(("in",), is_prefix=True)]),
        ("a*", [Clause(("a",))]),
        ('"invoice"', [Clause(("invoice",))]),
        ('"invoice', [Clause(("invoice",))]),
        ("Red* invoice", [Clause(("red",), is_prefix=True), Clause(("invoice",), is_prefix=True)]),
        ('"past due" now', [Clause(("past", "due")), Clause(("now",), is_prefix=True)]),
        ("ada@x.example ", [Clause(("ada", "x", "example"))]),
        ("京", [Clause(("京",), is_prefix=True)]),
        ("from:ada ", [Clause(("ada",), place=Place.SENDER)]),
        ('TO:"Ada L." ', [Clause(("ada", "l"), place=Place.RECIPIENT)]),
        ("subject:inv", [Clause(("inv",), is_prefix=True, place=Place.SUBJECT)]),
        ("https://x.example/a ", [Clause(("https", "x", "example", "a"))]),
        ("re: hello ", [Clause(("re",)), Clause(("hello",))]),
        ("from: ", [Clause(("from",))]),
        ("!? invoice ", [Clause(("invoice",))]),
    ],
)
def test_words_phrases_prefixes_and_places(text: str, wanted: list[Clause]) -> None:
    query = parse_query(text)

    assert (query.wanted, query.unwanted, query.is_impossible) == (wanted, [], False)


def test_exclusions_are_never_guessed_to_be_prefixes() -> None:
    query = parse_query('a -draft -"past due" -from:spam')

    assert query.wanted == [Clause(("a",))]
    assert query.unwanted == [
        Clause(("draft",)),
        Clause(("past", "due")),
        Clause(("spam",), place=Place.SENDER),
    ]


def test_filters() -> None:
    query = parse_query("has:attachment is:UNREAD -is:starred after:2026-05-04 before:2026-05-06T12:00:00+02:00")

    assert query.flags == {Flag.ATTACHMENT: True, Flag.READ: False, Flag.STARRED: False}
    assert query.since == datetime(2026, 5, 4, tzinfo=UTC)
    assert query.before == datetime(2026, 5, 6, 10, tzinfo=UTC)
    assert not query.wanted


def test_dates_narrow_each_other_and_can_be_negated() -> None:
    query = parse_query("after:2026-01-01 after:2026-03-01 -after:2026-09-01 before:2026-12-01")

    assert query.since == datetime(2026, 3, 1, tzinfo=UTC)
    assert query.before == datetime(2026, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["!?", '""', "-", "*", "is:read is:unread", "…"])
def test_what_nothing_can_match(text: str) -> None:
    assert parse_query(text).is_impossible


@pytest.mark.parametrize(
    "text", ["", "   ", "x" * 1001, "a " * 65, "is:odd", "has:hair", "before:soon", "after:2026-13-01", "before:-"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_query(text)

    assert refusal.value.status == 422


@given(st.text(max_size=80) | st.text(alphabet="ab\"-:*() '&|!<>東é", max_size=80))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        query = parse_query(text)
    except Invalid:
        return

    for language in (Fts5(), TsQuery()):
        conditions = ranked_conditions(query, BOX, language)
        assert conditions
        for condition in conditions:
            assert condition.count("(") == condition.count(")")
            assert condition.count('"') % 2 == 0


def test_ranks_go_from_the_subject_to_anywhere() -> None:
    one = ranked_conditions(parse_query("red "), BOX, Fts5())
    two = ranked_conditions(parse_query("red shoe -sold"), BOX, TsQuery())

    assert one == [
        '"deadbeefsred"',
        '("deadbeefsred" OR "deadbeeffred" OR "deadbeeftred")',
        '"deadbeefared"',
    ]
    assert len(two) == 4
    assert two[0] == "(('deadbeefsred' & 'deadbeefsshoe') & !'deadbeefasold')"
    assert two[3] == "(('deadbeefared' & 'deadbeefashoe') & !'deadbeefasold')"


def test_numbers_follow_time_and_then_the_id() -> None:
    early, late = datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 5, 4, 0, 0, 0, 1000, tzinfo=UTC)
    one, two = UUID("0198a0f0-0000-7000-8000-000000000000"), UUID("0198a0f0-0000-7001-8000-000000000000")

    assert first_number(early) <= entry_number(early, one) < entry_number(early, two) < first_number(late)
    for year in (1, 1700, 9999):
        assert -(2**63) <= entry_number(datetime(year, 1, 1, tzinfo=UTC), two) < 2**63
