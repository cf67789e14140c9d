"""Put together HTML bodies: text as HTML, and an addition at the end of a document. Pure, one pass over the input."""

from __future__ import annotations

import html
import re

_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_DOCUMENT_END = re.compile(r"</html\s*>", re.IGNORECASE)


def text_as_html(text: str) -> str:
    """Plain text as an HTML fragment with the same lines."""
    return html.escape(text, quote=False).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>\n")


def insert_at_end(document: str, fragment: str) -> str:
    """The HTML with `fragment` as the last thing of its body."""
    for tag in (_BODY_END, _DOCUMENT_END):
        position = -1
        for match in tag.finditer(document):
            position = match.start()
        if position >= 0:
            return f"{document[:position]}{fragment}{document[position:]}"
    return document + fragment
