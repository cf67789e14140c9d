"""Words of texts and of queries (mail/search/words.py, mail/search/document.py)."""

# ruff: noqa: RUF001  (letters that look alike are what folding is about)

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.folding import fold
from mail.search.document import (
    GAP,
    MAX_REPEATS,
    MAX_TERMS,
    SearchableMessage,
    document_streams,
    fts5_text,
    tsvector_text,
)
from mail.search.words import MAX_WORD_CHARS, query_words, words_of

BOX = UUID("0198a0f0-0000-7000-8000-0000deadbeef")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Invoice No. 4417", ["invoice", "no", "4417"]),
        ("snake_case-and.dots", ["snake", "case", "and", "dots"]),
        ("Ada@Customer.example", ["ada", "customer", "example"]),
        ("Überweisung für Zoë", ["uberweisung", "fur", "zoe"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("Łódź Ærø Đà İstanbul ısı", ["lodz", "aero", "da", "istanbul", "isi"]),
        ("ﬁne １２３ Ⅳ", ["fine", "123", "iv"]),
        ("Привет Ёлка", ["привет", "елка"]),
        ("Ελλάδα ΟΔΟΣ οδος", ["ελλαδα", "οδοσ", "οδοσ"]),
        ("שָׁלוֹם", ["שלום"]),
        ("كِتَاب", ["كتاب"]),
        ("हिन्दी", ["हिन्दी"]),
        ("東京都", ["東京", "京都", "都"]),
        ("東", ["東"]),
        ("ガイド ｶﾞｲﾄﾞ", ["ガイ", "イド", "ド", "ガイ", "イド", "ド"]),
        ("iPhone修理", ["iphone", "修理", "理"]),
        ("한국어", ["한국", "국어", "어"]),
        ("ไทย", ["ไท", "ทย", "ย"]),
        ("co\u00adoperate zero\u200bwidth", ["cooperate", "zerowidth"]),
        ("", []),
        ("… — !? \x00 \ufffc", []),
        ("x" * 100, ["x" * MAX_WORD_CHARS]),
        ("é" + "x" * 100, ["e" + "x" * (MAX_WORD_CHARS - 1)]),
    ],
)
def test_words_of_texts(text: str, words: list[str]) -> None:
    assert words_of(text, 1000) == words


@pytest.mark.parametrize(
    ("text", "words", "is_beginning"),
    [
        ("invoice 4417", ["invoice", "4417"], False),
        ("東京", ["東京"], False),
        ("東京都", ["東京", "京都"], False),
        ("京", ["京"], True),
        ("京 abc", ["京", "abc"], False),
        ("東京 abc", ["東京", "京", "abc"], False),
        ("abc東", ["abc", "東"], True),
        ("!?", [], False),
    ],
)
def test_words_of_queries(text: str, words: list[str], is_beginning: bool) -> None:
    assert query_words(text) == (words, is_beginning)


@given(st.text(max_size=200))
def test_words_need_no_quoting_in_any_query_language(text: str) -> None:
    for word in words_of(text, 1000):
        assert 0 < len(word) <= MAX_WORD_CHARS
        assert not set(word) & set(" '\"\\&|!()<>:*-\x00" + GAP)
        assert word == word.lower() or not word.isascii()


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_text_is_found_by_every_part_of_it(before: str, part: str, after: str) -> None:
    words = words_of(f"{before} {part} {after}", 1000)
    wanted, is_beginning = query_words(part)

    assert not wanted or any(_starts(words[n:], wanted, is_beginning=is_beginning) for n in range(len(words)))


def _starts(words: list[str], wanted: list[str], *, is_beginning: bool) -> bool:
    if is_beginning:
        return (
            words[: len(wanted) - 1] == wanted[:-1]
            and words[len(wanted) - 1 :][:1] != []
            and words[len(wanted) - 1].startswith(wanted[-1])
        )
    return words[: len(wanted)] == wanted


@given(st.text(max_size=100))
def test_folding_ignores_case(text: str) -> None:
    assert fold(text.upper()) == fold(text.upper().casefold())
    assert words_of(fold(text), 1000) == words_of(fold(fold(text)), 1000)


def message(**fields: object) -> SearchableMessage:
    values: dict[str, object] = {"subject": None, "sender": (), "recipients": (), **fields}
    return SearchableMessage(mailbox_id=BOX, **values)  # type: ignore[arg-type]


def test_the_terms_of_a_message() -> None:
    streams = document_streams(
        message(
            subject="Hi Ada",
            sender=["Bob", "bob@x.example"],
            recipients=["a@y.example"],
            filenames=["q1.pdf"],
            body="Go",
        )
    )

    assert fts5_text(streams) == (
        "deadbeefe deadbeefshi deadbeefsada deadbeeffbob deadbeeff\ufffc deadbeeffbob deadbeeffx deadbeeffexample "
        "deadbeefta deadbeefty deadbeeftexample "
        "deadbeefahi deadbeefaada deadbeefa\ufffc deadbeefabob deadbeefa\ufffc deadbeefabob deadbeefax "
        "deadbeefaexample "
        "deadbeefa\ufffc deadbeefaa deadbeefay deadbeefaexample deadbeefa\ufffc deadbeefaq1 deadbeefapdf "
        "deadbeefa\ufffc deadbeefago"
    )
    assert tsvector_text(document_streams(message(subject="Go, go!"))) == (
        "'deadbeefe':1 'deadbeefsgo':2,3 'deadbeefago':4,5"
    )


def test_hostile_messages_stay_within_what_the_databases_take() -> None:
    worst = message(
        subject="\U0001d573\ufdfa" * 500,
        sender=["x" * 5000],
        recipients=[f"r{n}@x.example" for n in range(2000)],
        filenames=["n" * 255] * 500,
        body="\ufdfa" * 100_000,
        attachment_texts=["ab " * 100_000, "\U00020000" * 100_000],
    )

    started = time.monotonic()
    streams = document_streams(worst)

    assert time.monotonic() - started < 5
    assert sum(len(stream.words) for stream in streams) <= MAX_TERMS + 1
    assert len(tsvector_text(streams).encode()) < 1_000_000


def test_frequent_words_keep_their_first_places_and_phrases_around_them() -> None:
    body = "ha " * 300 + "end of it"

    words = document_streams(message(body=body))[-1].words

    assert words[:MAX_REPEATS] == ["ha"] * MAX_REPEATS
    assert words[MAX_REPEATS:300] == [GAP] * (300 - MAX_REPEATS)
    assert words[300:] == ["end", "of", "it"]
