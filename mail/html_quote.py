"""The HTML of a received message, made fit to stand inside of another one.

What strangers wrote must not run anything, restyle or cover what stands above it, or break out of its place. Links,
images, tables and the looks of text survive; scripts, style sheets, forms and positioned elements do not. Pure.
"""

from __future__ import annotations

import re

import nh3

# Rebuilding broken markup can cost the square of the number of tags, attributes or ampersands. Mail programs cut off
# HTML far below this.
MAX_TAGS = 10_000
MAX_CHARS = 256 * 1024

# These are rebuilt in every block that follows until they are closed: a document of 100 KB could become one of 1 GB.
_LOOKS = {
    "b": "font-weight:bold",
    "big": "font-size:larger",
    "code": "font-family:monospace",
    "em": "font-style:italic",
    "font": "",
    "i": "font-style:italic",
    "nobr": "white-space:nowrap",
    "s": "text-decoration:line-through",
    "small": "font-size:smaller",
    "strike": "text-decoration:line-through",
    "strong": "font-weight:bold",
    "tt": "font-family:monospace",
    "u": "text-decoration:underline",
}
_FORMATTING = re.compile(rf"<(/?)({'|'.join(_LOOKS)})(?=[\s/>])", re.IGNORECASE)


def _names(text: str) -> set[str]:
    return set(text.split())


TAGS = _names(
    """
    a abbr address article aside bdi bdo blockquote br caption center cite col colgroup dd del details dfn div dl dt
    figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup hr img ins kbd li main mark ol p pre q rp rt ruby samp
    section span sub summary sup table tbody td tfoot th thead time tr ul var wbr
    """
)
DROPPED_WITH_CONTENT = {"head", "noscript", "script", "style", "template", "title"}
ATTRIBUTES = {
    "*": {"align", "bgcolor", "dir", "height", "lang", "style", "title", "valign", "width"},
    "a": {"href"},
    "img": {"alt", "border", "src"},
    "ol": {"start", "type"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "nowrap", "rowspan"},
    "th": {"colspan", "nowrap", "rowspan"},
}
# Nothing that takes an element out of its place: position, float, transform, negative margins.
STYLES = _names(
    """
    background-color border border-bottom border-collapse border-color border-left border-radius border-right
    border-spacing border-style border-top border-width color direction display font font-family font-size
    font-style font-variant font-weight height letter-spacing line-height list-style list-style-type max-width
    min-width padding padding-bottom padding-left padding-right padding-top table-layout text-align
    text-decoration text-indent text-transform vertical-align white-space width word-break word-wrap
    """
)
_CLEANER = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=DROPPED_WITH_CONTENT,
    attributes=ATTRIBUTES,
    filter_style_properties=STYLES,
    url_schemes={"cid", "http", "https", "mailto", "tel"},
    link_rel=None,
    url_relative="deny",
)


def quotable_html(source: str) -> str | None:
    """A balanced fragment; None when the markup is so much or so broken that only its text should be quoted."""
    if not is_bounded(source):
        return None
    return _CLEANER.clean(formatting_as_spans(source)).strip() or None


def is_bounded(source: str) -> bool:
    """Whether cleaning it takes a short time, however broken it is."""
    return len(source) <= MAX_CHARS and source.count("<") <= MAX_TAGS


def formatting_as_spans(source: str) -> str:
    """The same looks without the elements that are rebuilt in every block. To be done before cleaning."""
    return _FORMATTING.sub(_as_span, source)


def _as_span(match: re.Match[str]) -> str:
    looks = _LOOKS[match[2].lower()]
    return "</span" if match[1] else f'<span style="{looks}"' if looks else "<span"
