"""Readable text out of HTML, including HTML written to break readers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.html_text import MAX_HTML_CHARS, html_to_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div>Two</div>", "One\nTwo"),
        ("One<br>Two<br/>Three<BR />Four", "One\nTwo\nThree\nFour"),
        ("One<br><br><br>Two", "One\n\nTwo"),
        ("<div>One<br></div>\n<div>Two</div>", "One\nTwo"),
        ("a\n   b\t c", "a b c"),
        ("a <b>bold</b> word", "a bold word"),
        ('<a href="https://example.org/?a=1&b=2">Link</a> text', "Link text"),
        ("<ul><li>One</li><li>Two</li></ul>", "- One\n- Two"),
        ("<table><tr><td>A</td><td>B</td></tr><tr><td>C</td></tr></table>", "A B\nC"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("&lt;tag&gt; &amp; &nbsp;&euro;&#233;&#x41;", "<tag> & €éA"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<3 you", "<3 you"),
        ("a<!-- hidden > text -->b", "ab"),
        ("a<!DOCTYPE html>b<?php echo 1 ?>c", "abc"),
        ('<p title="a > b">text</p>', "text"),
        ("<p title='it\"s > '>text</p>", "text"),
        ("<p\n class=x\n>text</p>", "text"),
    ],
)
def test_text_of_common_markup(source: str, text: str) -> None:
    assert html_to_text(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "<head><title>Secret</title><meta charset=utf-8></head><body>Shown</body>",
        "<head><style>p { color: red }</style><body>Shown",
        "<style>p > a { x: y }</style>Shown",
        "<script>if (a < b) document.write('<p>x</p>')</script>Shown",
        '<SCRIPT type="x">no</ScRiPt >Shown',
        "<svg><text>no</text></svg>Shown",
        "<textarea>no</textarea>Shown",
        "Shown<script>never closed <p>no</p>",
        "Shown<style>never closed",
        "<head>Shown",
    ],
)
def test_what_is_not_for_reading_is_dropped(source: str) -> None:
    assert html_to_text(source) == "Shown"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("text <a href=", "text"),
        ("text <a href='unclosed > more", "text more"),
        ("text <!-- unclosed", "text"),
        ("text </", "text"),
        ("</></p></div>text", "text"),
        ("a\x00b", "ab"),
        ("&#" + "9" * 5000 + ";x", "\ufffdx"),
        ("&#x" + "f" * 5000 + ";x", "\ufffdx"),
        ("&#0;&#xd800;x", "\ufffd\ufffdx"),
    ],
)
def test_broken_markup_keeps_the_text(source: str, text: str) -> None:
    assert html_to_text(source) == text


def test_output_stops_at_the_limit() -> None:
    assert html_to_text("<p>word</p>" * 1000, max_chars=14) == "word\n\nword\n\nwo"


def test_input_past_the_limit_is_not_read() -> None:
    assert html_to_text(" " * MAX_HTML_CHARS + "late") == ""


@pytest.mark.parametrize(
    "unit", ["<", "<a ", '<a "', "<a \">\"'>'", "<!--", "<script", "<svg>", "<head>", "&", "</", "<?", "<div>", " \n"]
)
def test_repeated_fragments_never_make_more_text_than_they_have(unit: str) -> None:
    source = unit * 20_000

    assert len(html_to_text(source)) <= len(source)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                ">",
                "</",
                "<!--",
                "-->",
                "<p>",
                '"',
                "'",
                "<script>",
                "</script>",
                "<head>",
                "</head>",
                "&#",
                "&amp",
                "x",
                " ",
                "\n",
                "\x00",
                "<pre>",
                "<a b='",
            ]
        )
        | st.text(max_size=3)
    )
)
def test_any_markup_gives_tidy_text(pieces: list[str]) -> None:
    text = html_to_text("".join(pieces))

    assert "\x00" not in text
    assert "\n\n\n" not in text
    assert text == text.strip()
