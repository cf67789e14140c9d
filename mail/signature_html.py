"""Which HTML a signature may consist of. Pure: a signature goes into every message, so nothing in it may run or spy."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import nh3

from common.errors import Invalid
from mail import limits

_TEXT = {"b", "br", "code", "em", "hr", "i", "s", "small", "strong", "sub", "sup", "u"}
_BLOCKS = {"blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "p", "pre", "span", "ul"}
_TABLES = {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
_CELL = {"align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"}
_ATTRIBUTES = {
    "*": {"style", "dir", "lang"},
    "a": {"href", "title"},
    "img": {"alt", "border", "height", "src", "title", "width"},
    "table": {"align", "bgcolor", "border", "cellpadding", "cellspacing", "width"},
    "tr": {"align", "bgcolor", "valign"},
    "td": _CELL,
    "th": _CELL,
}
_STYLES = {
    *("background-color", "color", "display", "height", "line-height", "max-width", "vertical-align", "width"),
    *("font", "font-family", "font-size", "font-style", "font-weight", "letter-spacing"),
    *("text-align", "text-decoration", "text-transform", "white-space"),
    *("border", "border-bottom", "border-collapse", "border-left", "border-radius", "border-right", "border-top"),
    *("margin", "margin-bottom", "margin-left", "margin-right", "margin-top"),
    *("padding", "padding-bottom", "padding-left", "padding-right", "padding-top"),
}
_CLEANER = nh3.Cleaner(
    tags={"a", "img", *_TEXT, *_BLOCKS, *_TABLES},
    attributes=_ATTRIBUTES,
    clean_content_tags={"script", "style", "title"},
    filter_style_properties=_STYLES,
    url_schemes={"https", "http", "mailto", "tel"},
    url_relative="deny",
    link_rel=None,
)
# The cleaner writes < and > in attributes as references, and every value in double quotes.
_IMAGE = re.compile(r"<img\b[^>]*>")
_SOURCE = re.compile(r' src="([^"]*)"')
_LOC = ("body", "signature_html")


def clean_signature_html(source: str) -> str | None:
    """The HTML without anything but text, formatting, links and images; None when nothing is left of it.

    Raises Invalid for an image that is not an absolute https URL (recipients could not load it) and for HTML that is
    over the limit once its tags are closed and its text is escaped.
    """
    cleaned = _CLEANER.clean(source).strip()
    for image in _IMAGE.findall(cleaned):
        found = _SOURCE.search(image)
        if found is None or not _is_absolute_https(found[1]):
            raise Invalid(
                "Images of a signature need absolute https URLs, such as https://example.com/logo.png.", loc=_LOC
            )
    if len(cleaned) > limits.SIGNATURE_MAX_CHARS:
        raise Invalid(
            f"Cleaned, this is {len(cleaned)} characters, more than {limits.SIGNATURE_MAX_CHARS}. Shorten it.", loc=_LOC
        )
    return cleaned or None


def _is_absolute_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)
