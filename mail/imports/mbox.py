"""Split an mbox stream into messages: mboxo, mboxrd, mboxcl and mboxcl2 (RFC 4155), as found in the wild.

Nobody says which of the dialects a file is written in, so each rule asks for evidence: a line starts a message when it
looks like a From_ line, a header follows, and (usually) an empty line comes before. Content-Length is believed when
a From_ line stands exactly where it says. The file is read forwards in pieces; what is kept is one message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mail.imports import limits

CHUNK_BYTES = 256 * 1024
_LINE_BYTES = 1000
# From_ line and the line after it.
_LOOKAHEAD_BYTES = 2 * _LINE_BYTES
_HEADER_BYTES = 1024 * 1024
# Enough of what was skipped to see that an empty line came before.
_KEPT_BYTES = 8

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"\n\r?\n")
_BLANK_LINES = re.compile(rb"(?:\r?\n){0,4}")
_HEADER_OR_QUOTED_FROM = re.compile(rb"[!-9;-~]{1,200}[ \t]{0,20}:|>From ")
_DATED = re.compile(rb"\b\d{1,2}:\d\d\b.*\b(?:19|20)\d\d\b|\b(?:19|20)\d\d\b.*\b\d{1,2}:\d\d\b")
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_ASCTIME = re.compile(
    rb"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(" + b"|".join(_MONTHS) + rb") +(\d{1,2}) +"
    rb"(\d\d):(\d\d)(?::(\d\d))?(?: +([+-])(\d\d)(\d\d))?(?: +[A-Z]{1,5})? +((?:19|20)\d\d)(?: +([+-])(\d\d)(\d\d))?"
)
_CONTENT_LENGTH = re.compile(rb"^Content-Length:[ \t]*(\d{1,10})[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_QUOTED_FROM = re.compile(rb"^>(?=>*From )", re.MULTILINE)


class NotAnMbox(ValueError):
    """The stream does not start with a From_ line."""


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """One message. `content` is None when it is over the size limit. `end` is where the next one starts."""

    content: bytes | None
    dated: datetime | None
    end: int


class MboxReader:
    """Iterate over the messages of a stream that `read(size)` gives piece by piece.

    To resume, give a stream that stands at the `end` of the last message, that `offset`, and `has_bare_separators`
    of the reader that found it.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        offset: int = 0,
        has_bare_separators: bool = False,
        message_bytes: int = limits.MESSAGE_BYTES,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._read = read
        self._offset = offset
        self._message_bytes = message_bytes
        self._chunk_bytes = chunk_bytes
        self._buffer = bytearray()
        self._is_ended = False
        # From_ lines without a date, as the first line of the file shows.
        self.has_bare_separators = has_bare_separators

    def __iter__(self) -> Iterator[MboxMessage]:
        """Raises NotAnMbox before the first message, and whatever `read` raises."""
        if self._offset == 0:
            self._find_start()
        self._need(1)
        while self._buffer:
            yield self._next()
            self._need(1)

    def _find_start(self) -> None:
        self._need(len(_BYTE_ORDER_MARK))
        if self._buffer.startswith(_BYTE_ORDER_MARK):
            self._drop(len(_BYTE_ORDER_MARK))
        self._need(1)
        while self._buffer[:1].isspace():
            self._drop(len(self._buffer) - len(self._buffer.lstrip()))
            self._need(1)
        self._need(_LOOKAHEAD_BYTES)
        if self._buffer and not self._buffer.startswith(b"From "):
            raise NotAnMbox("The first line is no From_ line.")
        self.has_bare_separators = not _DATED.search(self._line(0))

    def _next(self) -> MboxMessage:
        """The message whose From_ line stands at the start of the buffer."""
        self._need(_LOOKAHEAD_BYTES)
        envelope = self._line(0)
        head = self._buffer.find(b"\n", 0, _LINE_BYTES) + 1 or min(len(self._buffer), _LINE_BYTES)
        announced = self._announced_end(head)
        if announced is not None:
            content = self._content(head, announced, is_exact=True)
            self._drop(announced)
        else:
            content = self._scan(head)
        return MboxMessage(content, _envelope_date(envelope), self._offset)

    def _scan(self, head: int) -> bytes | None:
        """The content up to the next From_ line, which is then at the start of the buffer."""
        position = head - 1
        is_too_long = False
        while True:
            found = self._buffer.find(b"\nFrom ", position)
            if found >= 0:
                self._need(found + 1 + _LOOKAHEAD_BYTES)
                if self._is_separator(found + 1):
                    end = found + 1
                    break
                position = found + 1
                continue
            if self._is_ended:
                end = len(self._buffer)
                break
            if len(self._buffer) - head > self._message_bytes + _LOOKAHEAD_BYTES:
                is_too_long = True
                self._drop(len(self._buffer) - _KEPT_BYTES)
                head = 0
            position = max(head - 1, len(self._buffer) - 5, 0)
            self._need(len(self._buffer) + 1)
        content = None if is_too_long else self._content(head, end, is_exact=False)
        self._drop(end)
        return content

    def _content(self, head: int, end: int, *, is_exact: bool) -> bytes | None:
        with memoryview(self._buffer) as view:
            content = bytes(view[head:end])
        # The empty line before the next From_ line belongs to the format.
        if content.endswith(b"\n\r\n"):
            content = content[:-2]
        elif content.endswith(b"\n\n"):
            content = content[:-1]
        if len(content) > self._message_bytes:
            return None
        # Where lengths are counted, From at the start of a line may stay as it is; then nothing was quoted.
        if b">From " in content and not (is_exact and b"\nFrom " in content):
            content = _QUOTED_FROM.sub(b"", content)
        return content

    def _announced_end(self, head: int) -> int | None:
        """Where the message ends by its Content-Length, if the next From_ line or the end of the file is there."""
        blank = self._blank_line(head)
        if blank is None:
            return None
        with memoryview(self._buffer) as view, view[head : blank[0] + 1] as header:
            found = _CONTENT_LENGTH.search(header)
            length = int(found[1]) if found else self._message_bytes + 1
        if length > self._message_bytes:
            return None
        end = blank[1] + length
        self._need(end + _LOOKAHEAD_BYTES)
        if end > len(self._buffer):
            return None
        after = _BLANK_LINES.match(self._buffer, end)
        assert after is not None
        follows = after.end()
        is_line_start = self._buffer[follows - 1 : follows] == b"\n"
        if follows == len(self._buffer) or (is_line_start and self._is_separator(follows)):
            return follows
        return None

    def _blank_line(self, head: int) -> tuple[int, int] | None:
        """Start and end of the empty line after the headers."""
        start = head - 1
        while True:
            found = _BLANK.search(self._buffer, max(start, 0))
            if found is not None:
                return found.span()
            if self._is_ended or len(self._buffer) - head > _HEADER_BYTES:
                return None
            start = len(self._buffer) - 2
            self._need(len(self._buffer) + 1)

    def _is_separator(self, at: int) -> bool:
        """Whether a new message starts with the line at `at`, a place after a line feed."""
        line = self._line(at)
        following = at + len(line)
        if not line.startswith(b"From ") or len(line) == _LINE_BYTES:
            return False
        if following < len(self._buffer) and not _HEADER_OR_QUOTED_FROM.match(self._buffer, following):
            return False
        before = self._buffer[max(0, at - 3) : at]
        if before.endswith((b"\n\n", b"\n\r\n")):
            return self.has_bare_separators or bool(_DATED.search(line))
        return bool(_ASCTIME.search(line))

    def _line(self, at: int) -> bytes:
        """The line at `at` with its line feed, or as much of it as a line may be long."""
        end = self._buffer.find(b"\n", at, at + _LINE_BYTES)
        return bytes(self._buffer[at : end + 1 if end >= 0 else at + _LINE_BYTES])

    def _need(self, size: int) -> None:
        """Have `size` bytes in the buffer, or all there are."""
        while len(self._buffer) < size and not self._is_ended:
            piece = self._read(self._chunk_bytes)
            self._buffer += piece
            self._is_ended = not piece

    def _drop(self, size: int) -> None:
        # Cheap: a bytearray moves its start instead of its content.
        del self._buffer[:size]
        self._offset += size


def _envelope_date(line: bytes) -> datetime | None:
    """The date of a From_ line; without an offset it is taken as UTC."""
    found = _ASCTIME.search(line)
    if found is None:
        return None
    month, day, hour, minute, second, year = (found[n] for n in (1, 2, 3, 4, 5, 9))
    sign, hours, minutes = (found[6], found[7], found[8]) if found[6] else (found[10], found[11], found[12])
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=UTC
        )
    except ValueError:
        return None
    if not sign:
        return moment
    seconds = (int(hours) * 60 + int(minutes)) * 60
    return datetime.fromtimestamp(moment.timestamp() + (seconds if sign == b"-" else -seconds), UTC)
