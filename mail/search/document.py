"""What of a message is searchable, as terms. Pure.

A term is the mailbox's key, a letter for the field, and a word. With the mailbox in front, looking a word up costs what
it costs in a database that holds nothing but this mailbox, and no mailbox can see that another one has a word. With the
field in it, "in the subject" needs no look at the bodies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from mail.search.words import words_of

MAX_TERMS = 16_000
"""Per message; PostgreSQL keeps positions up to 16,383."""
MAX_REPEATS = 255
"""Of one term in a message: more positions PostgreSQL does not keep."""
BODY_CHARS = 64 * 1024
ATTACHMENT_CHARS = 64 * 1024
"""Of the text of all attachments together."""
_SUBJECT_CHARS = 1000
_PARTY_CHARS = 512
_MAX_PARTIES = 200
_MAX_FILENAMES = 100

ANYWHERE, SUBJECT, SENDER, RECIPIENT, EVERY = "a", "s", "f", "t", "e"
# Takes a place that no phrase crosses; no word is spelt like this.
GAP = "\ufffc"


@dataclass(frozen=True, slots=True)
class SearchableMessage:
    """The texts of a message by field."""

    mailbox_id: UUID
    subject: str | None
    sender: Sequence[str]
    recipients: Sequence[str]
    filenames: Sequence[str] = ()
    body: str = ""
    attachment_texts: Sequence[str] = ()


def mailbox_key(mailbox_id: UUID) -> str:
    """In front of every term. Two mailboxes may share one: it narrows the search, and never decides who sees what."""
    return mailbox_id.hex[-8:]


@dataclass(frozen=True, slots=True)
class Stream:
    """Words of one field in their order; a term is the prefix and a word. A GAP is a place without a word."""

    prefix: str
    words: list[str]


def document_streams(message: SearchableMessage) -> list[Stream]:
    """At most MAX_TERMS words in all, each field after the other.

    Headers come first, so that a long body costs only its own end.
    """
    key = mailbox_key(message.mailbox_id)
    subject = words_of(message.subject or "", _SUBJECT_CHARS)
    sender = _joined(words_of(text, _PARTY_CHARS) for text in message.sender)
    recipients = _joined(words_of(text, _PARTY_CHARS) for text in message.recipients[:_MAX_PARTIES])
    names = _joined(words_of(text, _PARTY_CHARS) for text in message.filenames[:_MAX_FILENAMES])
    texts = [words_of(message.body, BODY_CHARS)]
    room = ATTACHMENT_CHARS
    for text in message.attachment_texts:
        texts.append(words_of(text, room))
        room = max(0, room - len(text))
    everything = _joined([subject, sender, recipients, names, *texts])
    streams = [Stream(key + EVERY, [""])]
    room = MAX_TERMS
    for letter, words in ((SUBJECT, subject), (SENDER, sender), (RECIPIENT, recipients), (ANYWHERE, everything)):
        streams.append(Stream(key + letter, _without_repeats(words[:room])))
        room -= min(room, len(words))
    return streams


def _joined(groups: Iterable[list[str]]) -> list[str]:
    found: list[str] = []
    for words in groups:
        if found and words:
            found.append(GAP)
        found += words
    return found


def _without_repeats(words: list[str]) -> list[str]:
    """Occurrences past MAX_REPEATS become gaps, so that phrases match alike in every database."""
    if len(words) - len(set(words)) < MAX_REPEATS:
        return words
    left = {word: MAX_REPEATS for word, number in Counter(words).items() if number > MAX_REPEATS}
    if not left:
        return words
    kept = []
    for word in words:
        if word in left:
            left[word] -= 1
            kept.append(word if left[word] >= 0 else GAP)
        else:
            kept.append(word)
    return kept


def fts5_text(streams: Sequence[Stream]) -> str:
    """The terms as FTS5 splits them: by spaces."""
    return " ".join(s.prefix + f" {s.prefix}".join(s.words) for s in streams if s.words)


def tsvector_text(streams: Sequence[Stream]) -> str:
    """The terms as PostgreSQL writes a tsvector. Words hold only letters, digits and marks: none needs escaping."""
    positions: dict[str, list[int]] = {}
    position = 0
    for stream in streams:
        for position, word in enumerate(stream.words, start=position + 1):  # noqa: B020
            if word != GAP:
                positions.setdefault(stream.prefix + word, []).append(position)
    return " ".join(f"'{term}':{','.join(map(str, places))}" for term, places in positions.items())
