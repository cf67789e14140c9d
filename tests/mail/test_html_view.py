"""Hostile HTML on its way to a person's eyes."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.html_quote import MAX_CHARS, MAX_TAGS
from mail.html_view import MAX_DEPTH, MAX_EMBEDDED_CHARS, HtmlView, has_remote_images, view_html, view_text

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
IMAGES = {"logo@acme": "https://inkbox.example/blobs/token"}


def body(source: str, *, shows_remote: bool = False) -> str:
    """What is between the body tags of the document."""
    document = view_html(source, IMAGES, shows_remote=shows_remote).document
    found = re.search(r"<body>(.*)</body></html>$", document, re.DOTALL)
    assert found is not None
    return found[1]


class _Seen(HTMLParser):
    """The elements and attributes of a document, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<p>Hi</p><script>alert(1)</script>", "<p>Hi</p>"),
        ("<p onclick=alert(1) onmouseover='x'>Hi</p>", "<p>Hi</p>"),
        ("<svg><script>alert(1)</script><a href='https://x.example'>t</a></svg>Hi", "Hi"),
        ("<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>Hi", "Hi"),
        ("<iframe src='https://x.example'></iframe><object data=x></object><embed src=x>Hi", "Hi"),
        ("<style>body { background: url(https://x.example) }</style>Hi", "Hi"),
        ("<link rel=stylesheet href='https://x.example'>Hi", "Hi"),
        ("<meta http-equiv=refresh content='0;url=https://x.example'>Hi", "Hi"),
        ("<base href='https://x.example/'>Hi", "Hi"),
        ("<title>x</title>Hi", "Hi"),
        ("<form action='https://x.example'>Password<input name=p><button>Go</button></form>", "Password"),
        ("<video poster='https://x.example/p'><source src='https://x.example/v'></video>Hi", "Hi"),
        ("<picture><source srcset='https://x.example/p'></picture>Hi", "Hi"),
        ("<table background='https://x.example/p'><tr><td>Hi</td></tr></table>", None),
        ("<!--[if mso]><script>x</script><![endif]-->Hi", "Hi"),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>Hi", None),
    ],
)
def test_nothing_active_is_left(source: str, shown: str | None) -> None:
    text = body(source, shows_remote=True)

    if shown is not None:
        assert text == shown
    seen = _Seen(text)
    assert not {"script", "svg", "iframe", "form", "input", "meta", "link", "style", "base"} & set(seen.tags)
    assert not [row for row in seen.attributes if row[1].startswith("on")]
    assert "x.example" not in text


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("color:red", "color:red"),
        ("background:#ffcc00;color:red", "background-color:#ffcc00;color:red"),
        ("background:url(https://x.example)", ""),
        ("background:\\75rl(https://x.example)", ""),
        ("background:#fff url(https://x.example)", ""),
        ("background-image:url('https://x.example')", ""),
        ("list-style:url(https://x.example)", ""),
        ("border-image:url(https://x.example) 1", ""),
        ("content:url(https://x.example)", ""),
        ("position:fixed;top:0", ""),
        ("behavior:url(x);-moz-binding:url(x)", ""),
        ("background-color:u\\72l(https://x.example)", ""),
        ("cursor:url(https://x.example),auto", ""),
        ("@import 'https://x.example';color:red", None),
    ],
)
def test_styles_load_and_cover_nothing(style: str, kept: str | None) -> None:
    text = body(f'<div style="{style}">Hi</div>', shows_remote=True)

    assert "x.example" not in text
    assert "position" not in text
    if kept is not None:
        assert text in (f'<div style="{kept}">Hi</div>', "<div>Hi</div>" if not kept else "")


@pytest.mark.parametrize(
    ("source", "shows_remote", "expected"),
    [
        ("cid:logo@acme", False, "https://inkbox.example/blobs/token"),
        ("CID:logo%40acme", False, "https://inkbox.example/blobs/token"),
        ("cid:other@acme", False, None),
        ("https://x.example/p.png", False, None),
        ("https://x.example/p.png", True, "https://x.example/p.png"),
        ("http://x.example/p.png", True, None),
        ("//x.example/p.png", True, None),
        ("/console/agents", True, None),
        ("javascript:alert(1)", True, None),
        ("data:image/svg+xml,<svg onload=alert(1)>", True, None),
        ("data:text/html,<script>alert(1)</script>", True, None),
        (PIXEL, False, PIXEL),
        ("x-embedded:0", True, None),
        ("x-embedded:99999999999", True, None),
    ],
)
def test_images(source: str, shows_remote: bool, expected: str | None) -> None:
    text = body(f"<img alt='Logo' src='{source}'>", shows_remote=shows_remote)

    sources = [value for _, name, value in _Seen(text).attributes if name == "src"]
    assert sources == ([expected] if expected else [])
    assert 'alt="Logo"' in text


def test_large_embedded_images_do_not_count_as_markup() -> None:
    picture = PIXEL + "A" * (2 * MAX_CHARS)

    text = body(f"<p>Look</p><img src='{picture}'><img src='{picture}1'>")

    assert [value for _, name, value in _Seen(text).attributes if name == "src"] == [picture, picture + "1"]


@pytest.mark.parametrize(
    ("address", "is_kept"),
    [
        ("https://x.example/", True),
        (" http://x.example/", True),
        ("mailto:ada@x.example", True),
        ("tel:+4930123", True),
        ("javascript:alert(1)", False),
        ("java\tscript:alert(1)", False),
        ("data:text/html,x", False),
        ("cid:logo@acme", False),
        ("/console/agents", False),
        ("x-embedded:0", False),
        ("vbscript:x", False),
    ],
)
def test_links_open_elsewhere_and_take_nothing_along(address: str, is_kept: bool) -> None:
    text = body(f"<a href='{address}' target=_top rel=opener>Click</a>")

    values = {name: value for _, name, value in _Seen(text).attributes}
    assert ("href" in values) is is_kept
    assert values["target"] == "_blank"
    assert values["rel"] == "noopener noreferrer"


def test_the_policy_forbids_everything_but_looks() -> None:
    assert view_html("<p>Hi</p>", {}, image_source="https://inkbox.example/blobs/").policy == (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data: https://inkbox.example/blobs/; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
    assert "img-src data: https:;" in view_html("<p>Hi</p>", {}, shows_remote=True).policy
    assert "img-src data:;" in view_text("Hi").policy


@pytest.mark.parametrize(
    "bomb",
    [
        "<table><tr><td>" * 3000,
        "<div>" * (MAX_DEPTH + 1),
        "<div>" * 9000,
        "<b><i>" * 4000,
        "<p>" * (MAX_TAGS + 1),
        "<a " + " ".join(f"a{number}=1" for number in range(25_000)) + ">",
        "&" * MAX_CHARS,
        "<img src='" * 9000,
        "x" * (MAX_CHARS + 1),
        "data:image/png;base64," + "A" * (MAX_EMBEDDED_CHARS + 1),
        "<font><table>" * 4000,
        "<select><option>" * 4000,
    ],
)
def test_bombs_are_bounded(bomb: str) -> None:
    started = time.monotonic()

    view = view_html(f"{bomb}Hello", {})

    assert time.monotonic() - started < 5
    assert len(view.document) < 3 * 1024 * 1024
    assert _depth_of(view) <= MAX_DEPTH


def test_an_image_that_is_named_again_and_again_fills_no_memory() -> None:
    picture = PIXEL + "A" * (1024 * 1024)

    for source, images in (
        (f"<img src='{picture}'>" + "<img src='x-embedded:0'>" * 5000, {}),
        ("<img src='cid:logo'>" * 5000, {"logo": picture}),
    ):
        view = view_html(source, images)
        assert 1024 * 1024 < len(view.document) < MAX_EMBEDDED_CHARS + 1024 * 1024


def test_what_is_too_deep_is_shown_as_its_text() -> None:
    view = view_html("<div>" * (MAX_DEPTH + 1) + "Hello &amp; <b>welcome</b>", {})

    assert view.is_text_only
    assert "<pre>Hello &amp; welcome</pre>" in view.document


def test_spans_of_cells_are_bounded() -> None:
    text = body("<table><tr><td colspan=2 rowspan=65534>Hi</td></tr></table>")

    assert 'colspan="2"' in text
    assert "rowspan" not in text


def test_remote_images_are_noticed() -> None:
    assert has_remote_images("<img width=1 SRC = 'https://x.example/p'>")
    assert has_remote_images("<img src=//x.example/p>")
    assert not has_remote_images(f"<img src='cid:a'><img src='{PIXEL}'><a href='https://x.example'>x</a>")


@given(st.text(alphabet="<>/\"'= abdiptsvgcrhefonl:;&#x0&;\n-!", max_size=300))
def test_whatever_comes_in_nothing_active_comes_out(source: str) -> None:
    seen = _Seen(body(source, shows_remote=True))

    assert not {"script", "svg", "iframe", "form", "style", "meta"} & set(seen.tags)
    assert not [row for row in seen.attributes if row[1].startswith("on")]


def _depth_of(view: HtmlView) -> int:
    depth = deepest = 0
    for match in re.finditer(r"<(/?)(?!br|hr|img|wbr|col\b|meta|!)[a-z]+", view.document):
        depth += -1 if match[1] else 1
        deepest = max(deepest, depth)
    return deepest - 2  # html and body
