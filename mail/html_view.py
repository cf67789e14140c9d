"""The HTML of a message for the eyes of a person: a whole document that runs nothing, sends nothing, loads nothing.

What strangers wrote is cleaned here and, by whoever serves it, put into a frame without scripts, without an origin and
under a policy of its own (`policy`). Either of the two alone would do; so a hole in one of them is not yet a leak.
Remote images tell the sender when and where a message is read, so they are only there on request. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import nh3

from mail.html_edit import text_as_html
from mail.html_quote import ATTRIBUTES, DROPPED_WITH_CONTENT, STYLES, TAGS, formatting_as_spans, is_bounded
from mail.html_text import html_to_text

# Browsers lay out nested tables in time that grows with a power of the depth. Mail programs nest about twenty.
MAX_DEPTH = 120
MAX_SPAN = 100
MAX_EMBEDDED_CHARS = 8 * 1024 * 1024
MAX_TEXT_CHARS = 256 * 1024

_EMBEDDED = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp);base64,[A-Za-z0-9+/=]{64,}", re.IGNORECASE)
_SMALL_EMBEDDED = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp)[;,]", re.IGNORECASE)
_PLACE = "x-embedded:"
_REMOTE_IMAGE = re.compile(r"""\bsrc\s{0,8}=\s{0,8}["']?\s{0,8}(?:https?:)?//""", re.IGNORECASE)
_BACKGROUND = re.compile(r"\s*background\s*:\s*(#[0-9a-f]{3,8}|[a-z]{3,24}|rgba?\([0-9., %]{5,40}\))\s*", re.IGNORECASE)
_LOADS = re.compile(r"[\\@]|url|image|src", re.IGNORECASE)
_OPENING_OR_CLOSING = re.compile(r"<(/?)([a-z][a-z0-9]*)")
_VOID = frozenset({"br", "col", "hr", "img", "wbr"})
_DROPPED = DROPPED_WITH_CONTENT | {
    *("applet", "audio", "button", "canvas", "datalist", "embed", "frameset", "iframe", "math", "noembed", "noframes"),
    *("object", "option", "picture", "select", "svg", "textarea", "video", "xmp"),
}
# No shorthand that can name an image: `background` becomes `background-color` where it is one, `list-style` goes.
_STYLES = (STYLES - {"list-style"}) | {
    *("margin", "margin-bottom", "margin-left", "margin-right", "margin-top", "max-height", "overflow-wrap"),
}
_LOOKS = """
:root { color-scheme: light; }
body { margin: 0; padding: 12px; background: #fff; color: #1d1c19; font: 15px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
img, table { max-width: 100%; }
img:not([src], [alt]), img[alt=""]:not([src]) { display: none; }
img[alt]:not([src], [alt=""]) { border: 1px dashed #999; padding: 2px 6px; display: inline-block; }
pre { white-space: pre-wrap; }
a[href^="http"]::after { content: "\\2009\\2197"; font-size: .8em; color: #666; }
a:hover::before, a:focus::before { content: attr(href); position: fixed; left: 0; bottom: 0; max-width: 100%;
  padding: 2px 8px; background: #1d1c19; color: #fff; font: 12px/1.5 monospace; z-index: 1; }
"""


@dataclass(frozen=True, slots=True)
class HtmlView:
    """A document that is safe to serve under `policy`."""

    document: str
    policy: str
    is_text_only: bool = False


@dataclass(slots=True)
class _Filter:
    """Decides about attributes while one message is cleaned."""

    images: Mapping[str, str]
    shows_remote: bool
    embedded: list[str] = field(default_factory=list)
    # A short document can name one large image ten thousand times.
    room: int = MAX_EMBEDDED_CHARS

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        if name == "src":
            source = self._source(value.strip())
            self.room -= len(source or "")
            return source if self.room >= 0 else None
        if name == "href":
            return value if value.lstrip().lower().startswith(("http:", "https:", "mailto:", "tel:")) else None
        if name == "style":
            return ";".join(map(_declaration, value.split(";")))
        if name in ("colspan", "rowspan"):
            return (
                value if value.isascii() and value.isdecimal() and len(value) < 6 and int(value) <= MAX_SPAN else None
            )
        return value

    def _source(self, value: str) -> str | None:
        lowered = value[:8].lower()
        if lowered.startswith("cid:"):
            return self.images.get(unquote(value[4:]))
        if value.startswith(_PLACE):
            number = value.removeprefix(_PLACE)
            is_known = number.isascii() and number.isdecimal() and len(number) < 6 and int(number) < len(self.embedded)
            return self.embedded[int(number)] if is_known else None
        if lowered.startswith("data:"):
            return value if _SMALL_EMBEDDED.match(value) else None
        return value if self.shows_remote and lowered == "https://" else None


def _declaration(text: str) -> str:
    """One declaration of a style; empty when it could name something to load. (The cleaner checks its property.)"""
    if (match := _BACKGROUND.fullmatch(text)) is not None:
        return f"background-color:{match[1]}"
    return "" if _LOADS.search(text) else text


def view_html(
    source: str, images: Mapping[str, str], *, shows_remote: bool = False, image_source: str = ""
) -> HtmlView:
    """The document and the policy to serve it under.

    `images` are the URLs of the message's own images by content id, all below `image_source`. Markup that is too much,
    too deep or too broken is shown as its text (at most MAX_TEXT_CHARS).
    """
    filter_ = _Filter(images, shows_remote)
    fragment = _clean(source, filter_)
    policy = view_policy(image_source, shows_remote=shows_remote)
    if fragment is None:
        return HtmlView(_document(_as_text(html_to_text(source, max_chars=MAX_TEXT_CHARS))), policy, is_text_only=True)
    return HtmlView(_document(fragment), policy)


def view_text(text: str) -> HtmlView:
    """Plain text in the same kind of document."""
    return HtmlView(_document(_as_text(text[:MAX_TEXT_CHARS])), view_policy("", shows_remote=False), is_text_only=True)


def view_policy(image_source: str, *, shows_remote: bool) -> str:
    """The Content-Security-Policy of the document. It holds when somebody opens it outside of its frame, too.

    Pop-ups, because links open in a tab of their own, which is an ordinary one.
    """
    images = " ".join(["data:", *([image_source] if image_source else []), *(["https:"] if shows_remote else [])])
    return (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        f"style-src 'unsafe-inline'; img-src {images}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )


def has_remote_images(source: str) -> bool:
    """Whether it seems to load something from elsewhere; a look, not a proof."""
    return _REMOTE_IMAGE.search(source) is not None


def _clean(source: str, filter_: _Filter) -> str | None:
    def put_aside(match: re.Match[str]) -> str:
        filter_.embedded.append(match[0])
        return f"{_PLACE}{len(filter_.embedded) - 1}"

    # Embedded images are most of some messages, and nothing in them needs cleaning.
    source = _EMBEDDED.sub(put_aside, source)
    if not is_bounded(source) or sum(map(len, filter_.embedded)) > MAX_EMBEDDED_CHARS:
        return None
    cleaned = nh3.clean(
        formatting_as_spans(source),
        tags=TAGS,
        clean_content_tags=_DROPPED,
        attributes=ATTRIBUTES,
        attribute_filter=filter_,
        filter_style_properties=_STYLES,
        url_schemes={"cid", "data", "http", "https", "mailto", "tel", _PLACE.removesuffix(":")},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return cleaned if _depth(cleaned) <= MAX_DEPTH else None


def _depth(balanced: str) -> int:
    """How deep elements lie in each other, in what the cleaner wrote."""
    depth = deepest = 0
    for match in _OPENING_OR_CLOSING.finditer(balanced):
        if match[2] in _VOID:
            continue
        depth += -1 if match[1] else 1
        deepest = max(deepest, depth)
    return deepest


def _as_text(text: str) -> str:
    return f"<pre>{text_as_html(text)}</pre>"


def _document(body: str) -> str:
    return (
        '<!doctype html><html><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Message</title><style>{_LOOKS}</style></head><body>{body}</body></html>"
    )
