"""The signature of a mailbox in the bodies it sends. Pure.

Both alternatives of a message get it, each in its own form: whichever form the mailbox lacks is derived from the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mail.html_edit import insert_at_end, text_as_html
from mail.html_text import html_to_text

# RFC 3676 section 4.3: what follows this line is a signature, which mail programs show dimmed and leave out of quotes.
_DELIMITER = "-- "
_MAX_CLOSING_TAGS = 20


class HasSignature(Protocol):
    """The columns of a mailbox that this is about."""

    @property
    def signature_enabled(self) -> bool: ...
    @property
    def signature_html(self) -> str | None: ...
    @property
    def signature_text(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """Both forms. The text is empty for a mere image."""

    text: str
    html: str


def signature_of(mailbox: HasSignature) -> Signature | None:
    """What the mailbox signs with; None when that is switched off or empty."""
    if not mailbox.signature_enabled:
        return None
    rich = (mailbox.signature_html or "").strip()
    plain = (mailbox.signature_text or "").strip() or html_to_text(rich)
    if not rich and plain:
        rich = f"<p>{text_as_html(plain)}</p>"
    return Signature(plain, rich) if rich else None


def sign_bodies(
    body_text: str | None, body_html: str | None, signature: Signature | None, *, is_quoted_below: bool = False
) -> tuple[str | None, str | None]:
    """The bodies with the signature at their end; a body that ends with it already stays as it is.

    A message without any body is signed as text. With `is_quoted_below` there is no delimiter line, because mail
    programs would take the quoted message for a part of the signature.
    """
    if signature is None:
        return body_text, body_html
    if body_text or not body_html:
        body_text = _sign_text(body_text or "", signature.text, "" if is_quoted_below else _DELIMITER)
    if body_html:
        body_html = _sign_html(body_html, signature.html)
    return body_text, body_html


def _sign_text(body: str, signature: str, delimiter: str) -> str:
    plain = body.replace("\r\n", "\n").rstrip()
    if not signature or plain == signature or plain.endswith("\n" + signature.replace("\r\n", "\n")):
        return body
    lead = f"{body.rstrip()}\n\n" if plain else ""
    return f"{lead}{delimiter}\n{signature}\n" if delimiter else f"{lead}{signature}\n"


def _sign_html(body: str, signature: str) -> str:
    if _before_closing_tags(body).endswith(_before_closing_tags(signature)):
        return body
    return insert_at_end(body, f"<div>{signature}</div>")


def _before_closing_tags(fragment: str) -> str:
    """Without the closing tags at the end, so that a signature inside of a container is recognised."""
    text = fragment.rstrip()
    for _ in range(_MAX_CLOSING_TAGS):
        if not text[-7:].lower().endswith(("</div>", "</body>", "</html>")):
            break
        text = text[: text.rindex("<")].rstrip()
    return text
