"""Text as searches compare it (common/folding.py)."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.folding import _REORDERED, MAX_MARKS, fold

# Marks of different classes, and characters that vanish between them.
HOSTILE = [
    "a" + "\u0301\u0316" * 50_000,
    "a" + "\u0301" * 50_000 + "\u0316" * 50_000,
    "\u0915" + "\u094d\u093c" * 50_000,
    "\u0915" + "\u094d\u200d\u093c\u200d" * 25_000,
    "\u0915" + "\u094d\ufe71\u093c\ufe71" * 25_000,
    "\uff76" + "\uff9e\u093c" * 50_000,
]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ÄPFEL", "apfel"),
        ("Straße", "strasse"),
        ("ﬁn", "fin"),
        ("\uff37ide", "wide"),
        ("Łódź", "lodz"),
        ("İstanbul", "istanbul"),
        ("हिन्दी", "हिन्दी"),
        ("한국", "한국"),
    ],
)
def test_variants_of_letters_are_the_letters(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_runs_of_marks_take_no_longer_than_other_text(text: str) -> None:
    started = time.process_time()
    fold(text)

    # Sorted one by one they take over 20 seconds.
    assert time.process_time() - started < 1


def test_a_run_of_marks_ends_where_no_language_goes() -> None:
    assert fold("\u0915" + "\u093c" * 100 + "!") == "\u0915" + "\u093c" * MAX_MARKS + "!"


def test_everything_that_normalizing_would_sort_is_known() -> None:
    sorts = {
        code for code in range(sys.maxunicode + 1) if unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0])
    }

    assert sorts == set(_REORDERED)
