"""HTML of strangers inside of our own."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.html_quote import MAX_CHARS, MAX_TAGS, quotable_html


@pytest.mark.parametrize(
    ("source", "quoted"),
    [
        ("<p>Hi.</p>", "<p>Hi.</p>"),
        ("<html><head><title>t</title><style>p{color:red}</style></head><body><p>Hi.</body></html>", "<p>Hi.</p>"),
        ("<script>alert(1)</script>Hi.<!-- c -->", "Hi."),
        ('<p onclick="x()" class="c" id="i">Hi.</p>', "<p>Hi.</p>"),
        ('<a href="javascript:x()">a</a><a href="https://x.example/?a=1&amp;b=2">b</a>',
         '<a>a</a><a href="https://x.example/?a=1&amp;b=2">b</a>'),
        ('<img src="cid:logo@x" alt="l"><img src="data:image/png;base64,AA">', '<img src="cid:logo@x" alt="l"><img>'),
        ('<p style="color:red;position:fixed;top:0;background:url(x)">Hi.</p>', '<p style="color:red">Hi.</p>'),
        ("<form action=x><input name=y><button>Go</button></form>", "Go"),
        ("<B>bold</B> <font color=red>red</font>", '<span style="font-weight:bold">bold</span> <span>red</span>'),
        ("</div></td></table>after<div>", "after<div></div>"),
        ("<body>Br<br/>eak</body>", "Br<br>eak"),
        ("  ", None),
        ("<style>only</style>", None),
        ("<p>" * (MAX_TAGS + 1), None),
        ("x" * (MAX_CHARS + 1), None),
    ],
)  # fmt: skip
def test_what_is_kept(source: str, quoted: str | None) -> None:
    assert quotable_html(source) == quoted


@pytest.mark.parametrize(
    "source",
    [
        "".join(f'<font color="{n}">' for n in range(5000)) + "<p>x" * 4900,
        "".join(f"<b id={n}>" for n in range(5000)) + "<p>x" * 4900,
        "<div>" * 4900 + "<p>x" * 5000,
        "<ul><li>" * 5000,
        "<p " + " ".join(f"a{n}" for n in range(40_000)) + ">",
        "&" * MAX_CHARS,
        "<table>" + "x<b>" * 5000 + "<p>x" * 4000,
    ],
    ids=["font", "bold", "deep", "list", "attributes", "ampersands", "table"],
)
def test_hostile_markup_is_cheap(source: str) -> None:
    started = time.perf_counter()

    result = quotable_html(source) or ""

    # Seconds and megabytes where it would be minutes and gigabytes.
    assert time.perf_counter() - started < 10
    assert len(result) < 20 * MAX_CHARS


@given(st.text(alphabet="<>/ \"'=abdivpscrtuylehon!-&;x", max_size=300))
def test_it_stays_in_its_place(source: str) -> None:
    """What is quoted is balanced: quoting it again, in a container of ours, changes nothing."""
    once = quotable_html(source) or ""

    assert quotable_html(f"<div>{once}</div><p>after</p>") == f"<div>{once}</div><p>after</p>"
