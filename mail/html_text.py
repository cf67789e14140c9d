"""Readable text from HTML that nobody vouches for.

Used for snippets and for messages that carry only HTML. This is not a
sanitizer: its output is text. The input is walked once from left to right;
``html.parser`` is avoided because broken markup makes it quadratic.
"""

from __future__ import annotations

import html
import re

MAX_HTML_CHARS = 2 * 1024 * 1024
MAX_TEXT_CHARS = 2 * 1024 * 1024

_MARKUP = re.compile(r"<[a-zA-Z/!?]")
_SIMPLE_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*+)(?:\s[^<>\"']*+|/)?>")
_TAG_START = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)")
_TAG_REST = re.compile(r"(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+>")
_SPACES = re.compile(r"[^\S\n]+")
_ALL_SPACES = re.compile(r"\s+")
_HUGE_REFERENCE = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{8,});?")
_HEAD_END = re.compile(r"</head[\s/>]|<body[\s/>]", re.IGNORECASE)

_SKIPPED_ENDS = {
    name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE)
    for name in (
        "audio",
        "canvas",
        "iframe",
        "math",
        "noembed",
        "noframes",
        "object",
        "script",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "video",
        "xmp",
    )
}
# The content of these is text, not markup: without an end they run to the end.
_RAW_TEXT = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})

_LINES = {
    "address",
    "article",
    "aside",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "main",
    "menu",
    "nav",
    "option",
    "section",
    "select",
    "summary",
    "tbody",
    "tfoot",
    "thead",
    "tr",
}
_PARAGRAPHS = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"}
_MAX_LINE_BREAKS = 2
_LINE_BREAKS = dict.fromkeys(_LINES, 1) | dict.fromkeys(_PARAGRAPHS, _MAX_LINE_BREAKS)


class _Extractor:
    """Collects the text of one document; stops after ``max_chars`` of visible text."""

    def __init__(self, source: str, max_chars: int) -> None:
        self.source = source
        self.max_chars = max_chars
        self.pieces: list[str] = []
        self.visible_chars = 0
        self.line_breaks = 0  # asked for by blocks, written before the next text
        self.has_bullet = False
        self.preformatted = 0
        self.quotes_balance = True
        self.unclosed: set[str] = set()

    def run(self) -> str:
        source, length = self.source, len(self.source)
        position = 0
        while position < length and self.visible_chars < self.max_chars:
            markup = _MARKUP.search(source, position)
            angle = markup.start() if markup else length
            if angle > position:
                self._add_text(source[position:angle])
            position = self._read_markup(angle) if angle < length else length
        return "".join(self.pieces)

    def _add_text(self, text: str) -> None:
        if "&" in text:
            text = html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))
        if not self.preformatted:
            text = _ALL_SPACES.sub(" ", text)
        if text == " ":
            self._add_space()
        else:
            self._add_visible(text)

    def _add_space(self) -> None:
        if not self.line_breaks:
            self.pieces.append(" ")

    def _add_visible(self, text: str) -> None:
        if self.line_breaks:
            self.pieces.append("\n" * self.line_breaks)
            self.line_breaks = 0
        if self.has_bullet:
            self.pieces.append("- ")
            self.has_bullet = False
        self.pieces.append(text)
        self.visible_chars += len(text)

    def _read_markup(self, angle: int) -> int:
        """Handle what starts with ``<`` and return the position after it."""
        source = self.source
        simple = _SIMPLE_TAG.match(source, angle)
        if simple:
            return self._handle_tag(simple[2].lower(), simple[1] == "/", simple.end())
        if source.startswith("<!--", angle):
            return self._skip_past("-->", angle + 4)
        start = _TAG_START.match(source, angle)
        if start:
            end = self._find_tag_end(start.end())
            return self._handle_tag(start[2].lower(), start[1] == "/", end)
        return self._skip_past(">", angle + 2)

    def _skip_past(self, marker: str, position: int) -> int:
        end = self.source.find(marker, position)
        return len(self.source) if end < 0 else end + len(marker)

    def _find_tag_end(self, position: int) -> int:
        if self.quotes_balance:
            rest = _TAG_REST.match(self.source, position)
            if rest:
                return rest.end()
            # Reached the end of the document; looking again would be quadratic.
            self.quotes_balance = False
        return self._skip_past(">", position)

    def _handle_tag(self, name: str, is_end: bool, position: int) -> int:
        if name in _LINE_BREAKS:
            self.line_breaks = max(self.line_breaks, _LINE_BREAKS[name])
            if name == "pre":
                self.preformatted = max(0, self.preformatted + (-1 if is_end else 1))
        elif name == "br":
            self.line_breaks = min(self.line_breaks + 1, _MAX_LINE_BREAKS)
        elif name == "li":
            self.line_breaks = max(self.line_breaks, 1)
            self.has_bullet = not is_end
        elif name in {"td", "th"}:
            self._add_space()
        elif not is_end and name == "head":
            return self._skip_head(position)
        elif not is_end and name in _SKIPPED_ENDS:
            return self._skip_element(name, position)
        return position

    def _skip_head(self, position: int) -> int:
        if "head" in self.unclosed:
            return position
        end = _HEAD_END.search(self.source, position)
        if end is None:
            self.unclosed.add("head")
            return position
        return end.start()

    def _skip_element(self, name: str, position: int) -> int:
        if name in self.unclosed:
            return position
        end = _SKIPPED_ENDS[name].search(self.source, position)
        if end is None:
            self.unclosed.add(name)
            return len(self.source) if name in _RAW_TEXT else position
        return end.start()


def _tidy(text: str) -> str:
    """Collapse spaces, trim lines, and allow one empty line at a time."""
    lines: list[str] = []
    for line in text.split("\n"):
        stripped = _SPACES.sub(" ", line).strip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).strip()


def html_to_text(source: str, *, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Return the readable text of an HTML document or fragment.

    Scripts, styles and the head are dropped, links keep their text, block
    elements become line breaks, entities are decoded. At most MAX_HTML_CHARS of
    input are read and ``max_chars`` characters returned. Never fails.
    """
    text = _Extractor(source[:MAX_HTML_CHARS], max_chars).run()
    if "\x00" in text:
        text = text.replace("\x00", "")
    return _tidy(text)[:max_chars]
