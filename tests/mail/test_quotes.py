"""The new text of a message (mail/quotes.py)."""

# ruff: noqa: RUF001  (words of many languages)

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.quotes import MAX_CHARS, new_text

QUOTED = "> Are you there?\n> Bob\n"


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 4 May 2026 at 10:01, Bob <bob@x.example> wrote:",
        "On Monday, 4 May 2026, Bob\n<bob@x.example>\nwrote:",
        "Am 04.05.2026 um 10:01 schrieb Bob Beispiel:",
        "Bob <bob@x.example> schrieb am Mo., 4. Mai 2026, 10:01:",
        "Le lun. 4 mai 2026 à 10:01, Bob <bob@x.example> a écrit :",
        "El lun, 4 may 2026 a las 10:01, Bob (<bob@x.example>) escribió:",
        "Em seg., 4 de mai. de 2026 às 10:01, Bob <bob@x.example> escreveu:",
        "Il giorno lun 4 mag 2026 alle ore 10:01 Bob <bob@x.example> ha scritto:",
        "Op ma 4 mei 2026 om 10:01 schreef Bob <bob@x.example>:",
        "Den mån 4 maj 2026 kl 10:01 skrev Bob <bob@x.example>:",
        "pon., 4 maj 2026 o 10:01 Bob <bob@x.example> napisał(a):",
        "пн, 4 мая 2026 г. в 10:01, Bob <bob@x.example> пишет:",
        "4 Mayıs 2026 Pzt 10:01 tarihinde Bob <bob@x.example> şunu yazdı:",
        "2026年5月4日(月) 10:01 Bob <bob@x.example>のメール：",
        "Bob <bob@x.example> 于2026年5月4日周一 10:01写道：",
    ],
)
def test_attributions_and_quoted_lines_go(attribution: str) -> None:
    assert new_text(f"Yes, I am.\n\n{attribution}\n\n{QUOTED}", None) == "Yes, I am."
    assert new_text(f"Yes, I am.\n\n{attribution}\n\nAre you there?\nBob\n", None) == "Yes, I am."


def test_answers_between_quotes_stay() -> None:
    text = "On 4 May 2026, Bob wrote:\n> One?\nYes.\n> Two?\n\nNo.\n"

    assert new_text(text, None) == "Yes.\n\nNo."


@pytest.mark.parametrize(
    "block",
    [
        "-----Original Message-----\nFrom: Bob\nAre you there?",
        "________________________________\nFrom: Bob\nSent: Monday, 4 May 2026\nTo: Ada\nSubject: Hi\n\nOld",
        "Von: Bob <bob@x.example>\nGesendet: Montag, 4. Mai 2026 10:01\nAn: Ada\nBetreff: Hallo\n\nAlt",
        "*From:* Bob\n*Date:* Monday\n*To:* Ada\n\nOld",
        "差出人: Bob\n送信日時: 2026年5月4日\n宛先: Ada\n件名: こんにちは\n\n古い",
    ],
)
def test_what_outlook_appends_goes(block: str) -> None:
    assert new_text(f"Yes, I am.\n\n{block}\n", None) == "Yes, I am."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Lovelace\nCEO",
        "--\nAda",
        "Best regards,\nAda Lovelace\n+44 20 7946 0000",
        "Mit freundlichen Grüßen\n\nAda",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Kind regards,\nAda\n\n-- \nExample Ltd",
    ],
)
def test_signatures_go(signature: str) -> None:
    assert new_text(f"Yes, I am.\n\n{signature}\n", None) == "Yes, I am."
    assert new_text(f"Yes, I am.\n\n{signature}\n\nOn 4 May 2026, Bob wrote:\n{QUOTED}", None) == "Yes, I am."


@pytest.mark.parametrize(
    "text",
    [
        "Shopping:\n- milk\n- eggs",
        "Here is what Ada wrote:\nnothing.",
        "a -- b\n--- c",
        "From: the desk\nis where I write.",
        "Best",
        "Dear all,\nthe minutes of 4 May:\nall agreed.",
        "---------- Forwarded message ---------\nFrom: Bob\nDate: Mon, 4 May 2026\nTo: Ada\n\nSee below.",
        "From: Bob <bob@x.example>\nSent: Monday, 4 May 2026\nTo: Ada\n\nForwarded without a word.",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert new_text(text, None) == text


def test_a_message_that_only_quotes_is_given_whole() -> None:
    assert new_text(QUOTED, None) == QUOTED.strip()


def test_html_is_read_when_there_is_no_text() -> None:
    html = "<p>Yes, <b>I am</b>.</p><div class='gmail_quote'>On 4 May Bob wrote:<blockquote>Old</blockquote></div>"

    assert new_text(None, html) == new_text(" \n", html) == "Yes, I am."
    assert new_text(None, "<blockquote>Only this</blockquote>") == "Only this"
    assert new_text("Plain.", html) == "Plain."
    assert new_text(None, None) is None


@given(st.text(max_size=300), st.text(max_size=100))
def test_it_never_fails_and_adds_nothing(text: str, html: str) -> None:
    found = new_text(text, html)

    assert found is not None
    if text.strip():
        assert len(found) <= len(text)
    assert new_text(text, None) is not None


@pytest.mark.parametrize(
    "piece",
    ["\n", "On a", "Am schrieb ", "> ", "From: a\n", "On a\n", "--\n", "a:\n", "___\n", "Best regards\n", " \t"],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    started = time.monotonic()

    new_text(piece * (MAX_CHARS // len(piece)), None)

    assert time.monotonic() - started < 3


@pytest.mark.parametrize("piece", ["<div ", "<div gmail_quot", "<blockquote", "<"])
def test_hostile_html_takes_linear_time(piece: str) -> None:
    started = time.monotonic()

    new_text(None, piece * (2 * MAX_CHARS // len(piece)))

    assert time.monotonic() - started < 3
