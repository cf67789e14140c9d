"""A thread as one text within a budget, for readers that pay by the token.

Each message is its date, sender, recipients and new text (mail/quotes.py): what it quotes is in the messages before it.
The newest message stands last and is the last to be cut; what is missing is said where it is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from mail import limits
from mail.models import Message, Thread
from mail.quotes import new_text

# A message that does not fit whole is shortened to no less than this; if there is less room, it is left out.
_MIN_PIECE_BYTES = 200
_SHOWN_RECIPIENTS = 5
_SHOWN_CHARS = 120
_RESERVED_BYTES = 64  # for the line that counts what was left out
_CHUNK = 20


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text, and what was left out of it."""

    thread_id: UUID
    subject: str | None
    text: str
    message_count: int
    included_messages: int
    shortened_messages: int
    budget_bytes: int

    @property
    def omitted_messages(self) -> int:
        return self.message_count - self.included_messages

    @property
    def size_bytes(self) -> int:
        return len(self.text.encode())

    @property
    def estimated_tokens(self) -> int:
        return -(-self.size_bytes // limits.TRANSCRIPT_BYTES_PER_TOKEN)


def write_transcript(thread: Thread, newest_first: QuerySet[Message], budget_bytes: int) -> Transcript:
    """At most TRANSCRIPT_MESSAGES_MAX messages and `budget_bytes` of text (at least TRANSCRIPT_MIN_BYTES)."""
    count = newest_first.count()
    room = budget_bytes - _RESERVED_BYTES
    pieces: list[str] = []
    shortened = 0
    for message in newest_first[: limits.TRANSCRIPT_MESSAGES_MAX].iterator(chunk_size=_CHUNK):
        piece = f"{_heading(message)}\n{_text(message)}\n"
        size = len(piece.encode()) + 1
        if size > room:
            if room < _MIN_PIECE_BYTES or pieces:
                break
            piece, shortened = _shortened(piece, room - 1), 1
            size = room
        pieces.append(piece)
        room -= size
    omitted = count - len(pieces)
    if omitted:
        pieces.append(f"[{omitted} earlier message{'s' if omitted > 1 else ''} left out]\n")
    return Transcript(
        thread_id=thread.pk,
        subject=thread.subject,
        text="\n".join(reversed(pieces)),
        message_count=count,
        included_messages=count - omitted,
        shortened_messages=shortened,
        budget_bytes=budget_bytes,
    )


def _heading(message: Message) -> str:
    sender = message.from_address
    if message.from_display_name:
        sender = f"{message.from_display_name} <{sender}>"
    to = _some([*message.to_addresses, *(message.cc_addresses or ())])
    names = [str(item.get("filename", "")) for item in message.attachment_metadata or () if not item.get("is_inline")]
    attached = f"\nAttachments: {_some(names)}" if names else ""
    return f"--- {message.created_at:%Y-%m-%d %H:%M} UTC, {sender[:_SHOWN_CHARS]} to {to}{attached}"


def _some(values: Sequence[str]) -> str:
    shown = ", ".join(value[:_SHOWN_CHARS] for value in values[:_SHOWN_RECIPIENTS]) or "nobody"
    return f"{shown} and {len(values) - _SHOWN_RECIPIENTS} more" if len(values) > _SHOWN_RECIPIENTS else shown


def _text(message: Message) -> str:
    return new_text(message.content.body_text, message.content.body_html) or "[no text]"


def _shortened(piece: str, room: int) -> str:
    """The beginning of a message that is larger than all the room there is."""
    note = "\n[the rest of this message was cut off]\n"
    return piece.encode()[: room - len(note.encode())].decode(errors="ignore") + note
