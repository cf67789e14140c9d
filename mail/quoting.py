"""The body of an inline forward: the caller's note, who wrote what and when, and the original. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mail.html_edit import insert_at_end, text_as_html
from mail.html_quote import quotable_html
from mail.html_text import html_to_text
from mail.models import Message
from mail.signatures import Signature, sign_bodies

_LINE = "---------- Forwarded message ----------"
# A mailing to thousands names a few of them.
_MAX_NAMED_ADDRESSES = 50


@dataclass(frozen=True, slots=True)
class Original:
    """What a forward shows of the message."""

    sender: str
    sent_at: datetime
    subject: str
    to: Sequence[str]
    cc: Sequence[str]
    body_text: str | None
    body_html: str | None

    @classmethod
    def of(cls, message: Message) -> Original:
        """From a row with its content."""
        name = (message.from_display_name or "").strip()
        return cls(
            sender=f"{name} <{message.from_address}>" if name else message.from_address,
            sent_at=message.created_at,
            subject=message.subject or "",
            to=message.to_addresses,
            cc=message.cc_addresses or (),
            body_text=message.content.body_text,
            body_html=message.content.body_html,
        )

    @property
    def header(self) -> list[tuple[str, str]]:
        """The lines of the preamble."""
        rows = [
            ("From", self.sender),
            ("Date", self.sent_at.strftime("%a, %d %b %Y %H:%M:%S %z")),
            ("Subject", self.subject),
            ("To", _some(self.to)),
            ("Cc", _some(self.cc)),
        ]
        return [(name, value) for name, value in rows if value or name != "Cc"]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Both bodies. `shows_images` says whether the HTML is the original's, with the places of its inline images."""

    body_text: str
    body_html: str | None
    shows_images: bool


def quote_forwarded(
    note_text: str | None, note_html: str | None, original: Original, signature: Signature | None
) -> Forwarded:
    """The signed note above the original. There is HTML when the note or the original has some."""
    note = note_text or html_to_text(note_html or "")
    if not note_html and not original.body_html:
        signed, _ = sign_bodies(note, None, signature, is_quoted_below=True)
        return Forwarded(_text(signed or "", original), None, shows_images=False)
    above: str | None = note_html or (f"<div>{text_as_html(note)}</div>" if note else "")
    text, rich = sign_bodies(note, above, signature, is_quoted_below=True)
    if not above and signature is not None:
        rich = signature.html
    quoted = quotable_html(original.body_html) if original.body_html else None
    below = quoted or f"<div>{text_as_html(_plain(original))}</div>"
    lines = "".join(f"<br>\n<b>{name}:</b> {text_as_html(value)}" for name, value in original.header)
    quote = f"<br>\n<div>{_LINE}{lines}</div><br>\n<div>{below}</div>"
    return Forwarded(_text(text or "", original), insert_at_end(rich or "", quote), shows_images=quoted is not None)


def _text(note: str, original: Original) -> str:
    lines = [_LINE, *(f"{name}: {value}" for name, value in original.header), "", _plain(original)]
    return (f"{note.rstrip()}\n\n" if note.strip() else "") + "\n".join(lines)


def _plain(original: Original) -> str:
    return original.body_text or html_to_text(original.body_html or "")


def _some(addresses: Sequence[str]) -> str:
    named = ", ".join(addresses[:_MAX_NAMED_ADDRESSES])
    more = len(addresses) - _MAX_NAMED_ADDRESSES
    return f"{named} and {more} more" if more > 0 else named
