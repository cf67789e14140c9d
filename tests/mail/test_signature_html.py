"""What a signature's HTML may consist of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from mail import limits
from mail.signature_html import clean_signature_html


@pytest.mark.parametrize(
    ("source", "clean"),
    [
        ("<p>Ada L.<br>Example Org</p>", "<p>Ada L.<br>Example Org</p>"),
        ("Ada & Co < all", "Ada &amp; Co &lt; all"),
        ("<b>open", "<b>open</b>"),
        ("  <i>x</i>\n", "<i>x</i>"),
        ("<script>alert(1)</script><b>x</b>", "<b>x</b>"),
        ("<style>p{}</style><title>t</title>x", "x"),
        ('<p onclick="alert(1)" class="c" id="i">x</p>', "<p>x</p>"),
        ('<a href="javascript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href=" java\tscript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="/local">x</a>', "<a>x</a>"),
        ('<a href="https://example.org/?a=1&b=2">x</a>', '<a href="https://example.org/?a=1&amp;b=2">x</a>'),
        ('<a href="mailto:ada@example.org">x</a>', '<a href="mailto:ada@example.org">x</a>'),
        ('<p style="color:red;position:fixed;behavior:url(x)">x</p>', '<p style="color:red">x</p>'),
        ("<iframe src=https://evil.example></iframe><form><input></form>x", "x"),
        ("<svg><a onload=alert(1)>x</a></svg>", None),
        ("<!-- comment -->", None),
        ("", None),
        ('<img src="https://a.example/l.png" width="80">', '<img src="https://a.example/l.png" width="80">'),
    ],
)
def test_only_text_formatting_links_and_images_stay(source: str, clean: str | None) -> None:
    assert clean_signature_html(source) == clean


@pytest.mark.parametrize(
    "source",
    [
        "logo.png",
        "/logo.png",
        "//a.example/l.png",
        "http://a.example/l.png",
        "data:image/png;base64,xx",
        "cid:logo",
        "",
    ],
)
def test_an_image_that_recipients_could_not_load_is_refused(source: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_signature_html(f'<p>Ada</p><img src="{source}">')

    assert refused.value.detail[0]["loc"] == ["body", "signature_html"]


def test_an_image_without_a_source_is_refused() -> None:
    with pytest.raises(Invalid):
        clean_signature_html("<img alt='>'>")


def test_html_that_grows_over_the_limit_is_refused() -> None:
    source = "<b><p>" * (limits.SIGNATURE_MAX_CHARS // 6)

    with pytest.raises(Invalid):
        clean_signature_html(source)


@given(st.text(alphabet="<>/='\" abpimgsrchtf:/.&#;-!", max_size=200))
def test_clean_html_stays_as_it_is(source: str) -> None:
    try:
        clean = clean_signature_html(source)
    except Invalid:
        return
    if clean is not None:
        assert clean_signature_html(clean) == clean
        assert "<script" not in clean
