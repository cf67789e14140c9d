"""The mbox splitter: dialects, broken files, and that pieces and resuming make no difference."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.imports.mbox import MboxMessage, MboxReader, NotAnMbox

FROM = b"From ada@customer.example Mon May  4 10:01:12 2026\n"
ONE = b"Subject: one\n\nFirst.\n"
TWO = b"Subject: two\n\nSecond.\n"


def read(
    content: bytes, *, chunk: int = 4096, most: int = 1 << 20, offset: int = 0, bare: bool = False
) -> list[MboxMessage]:
    stream = io.BytesIO(content)
    stream.seek(offset)
    return list(MboxReader(stream.read, offset=offset, has_bare_separators=bare, message_bytes=most, chunk_bytes=chunk))


def contents(content: bytes, **options: Any) -> list[bytes | None]:
    return [message.content for message in read(content, **options)]


def test_two_messages() -> None:
    found = read(FROM + ONE + b"\n" + FROM + TWO + b"\n")

    assert [message.content for message in found] == [ONE, TWO]
    assert found[0].end == len(FROM + ONE) + 1
    assert found[0].dated == datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC)


def test_line_ends_of_windows() -> None:
    content = (FROM + ONE + b"\n" + FROM + TWO + b"\n").replace(b"\n", b"\r\n")

    assert contents(content) == [ONE.replace(b"\n", b"\r\n"), TWO.replace(b"\n", b"\r\n")]


@pytest.mark.parametrize(
    "line",
    [
        b"From 1849267350184426@xxx Mon May 04 10:01:12 +0000 2026",
        b"From - Mon May 04 10:01:12 2026",
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        b'From "Ada L."@customer.example Mon May  4 10:01:12 2026',
        b"From ada@customer.example  Mon, 4 May 2026 10:01:12 +0000",
        b"From ada@customer.example Mon May  4 10:01 2026",
        b"From ???@??? Mon Jan 01 00:00:00 1997",
    ],
)
def test_from_lines_of_many_programs(line: bytes) -> None:
    assert contents(FROM + ONE + b"\n" + line + b"\n" + TWO) == [ONE, TWO]


def test_without_the_empty_line_before() -> None:
    assert contents(FROM + ONE + FROM + TWO) == [ONE, TWO]


def test_a_first_line_without_date_makes_the_others_count_without_date() -> None:
    assert contents(b"From nobody\n" + ONE + b"\nFrom nobody\n" + TWO) == [ONE, TWO]
    assert contents(FROM + ONE + b"\nFrom nobody\n" + TWO) == [ONE + b"\nFrom nobody\n" + TWO]


@pytest.mark.parametrize(
    "line",
    [
        b"From the desk of Ada\n\nHello\n",
        b"From our website:\nLink: https://customer.example\n",
        b"From 10:30 in 2026 on we meet here.\nPlease come.\n",
    ],
)
def test_ordinary_text_that_begins_with_from(line: bytes) -> None:
    message = b"Subject: one\n\nHi\n\n" + line

    assert contents(FROM + message + b"\n" + FROM + TWO) == [message, TWO]


def test_quoting_is_undone() -> None:
    quoted = b"Subject: one\n\n>From me\n>>From you\n> From neither\n"

    assert contents(FROM + quoted + b"\n" + FROM + TWO) == [
        b"Subject: one\n\nFrom me\n>From you\n> From neither\n",
        TWO,
    ]


def test_content_length_allows_unquoted_from_lines() -> None:
    body = b"Hi\n\n" + FROM + b"Subject: not a message\n\n>From me\n"
    message = b"Subject: one\nContent-Length: %d\n\n%b" % (len(body), body)

    assert contents(FROM + message + b"\n" + FROM + TWO) == [message, TWO]
    assert contents(FROM + message) == [message]


@pytest.mark.parametrize("length", [0, 3, 7, 5000, 9_999_999_999])
def test_a_wrong_content_length_is_ignored(length: int) -> None:
    message = b"Subject: one\nContent-Length: %d\n\nHello there.\n" % length

    assert contents(FROM + message + b"\n" + FROM + TWO) == [message, TWO]


def test_a_message_over_the_limit_is_skipped_and_the_next_one_read() -> None:
    large = b"Subject: large\n\n" + b"x" * 70 * 1000 + b"\n"
    content = FROM + ONE + b"\n" + FROM + large + b"\n" + FROM + TWO

    assert contents(content, most=10_000) == [ONE, None, TWO]
    assert contents(content, most=10_000, chunk=7) == [ONE, None, TWO]
    assert contents(content, most=len(large)) == [ONE, large, TWO]
    assert contents(content, most=len(large) - 1) == [ONE, None, TWO]


def test_memory_does_not_grow_with_a_message_over_the_limit() -> None:
    stream = io.BytesIO(FROM + b"Subject: large\n\n" + b"x\n" * 500_000 + b"\n" + FROM + TWO)
    reader = MboxReader(stream.read, message_bytes=10_000, chunk_bytes=4096)
    largest = 0

    for _ in reader:
        largest = max(largest, len(reader._buffer))

    assert largest < 30_000


def test_what_comes_before_the_first_line() -> None:
    assert contents(b"\xef\xbb\xbf\r\n \n" + FROM + ONE) == [ONE]
    assert contents(b"") == []
    assert contents(b" \n" * 5000) == []


@pytest.mark.parametrize("content", [b"Subject: one\n\nHi\n", b"PK\x03\x04", b"\n\nhello"])
def test_no_mbox(content: bytes) -> None:
    with pytest.raises(NotAnMbox):
        read(content)


def test_an_end_in_the_middle() -> None:
    assert contents(FROM) == [b""]
    assert contents(FROM[:9]) == [b""]
    assert contents(FROM + b"Subj") == [b"Subj"]


def test_dates_of_from_lines() -> None:
    def dated(text: bytes) -> datetime | None:
        return read(b"From a@b " + text + b"\n" + ONE)[0].dated

    assert dated(b"Mon May 04 10:01:12 +0200 2026") == datetime(2026, 5, 4, 8, 1, 12, tzinfo=UTC)
    assert dated(b"Mon May  4 10:01:12 2026 -0130") == datetime(2026, 5, 4, 11, 31, 12, tzinfo=UTC)
    assert dated(b"Mon May 99 10:01:12 2026") is None
    assert dated(b"yesterday") is None


_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"", b"From me", FROM.rstrip(), b">From you", b">>From", b"Subject: x", b"Content-Length: 12"]
        ),
        st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")),
    ),
    max_size=8,
)


@st.composite
def _messages(draw: st.DrawFn) -> list[bytes]:
    """Messages as they are before they are put into a file."""
    heads = st.just([b"From: ada@customer.example", b"Subject: x", b""])
    bodies = draw(st.lists(_LINES, min_size=1, max_size=5))
    return [b"\n".join([*draw(heads), *body, b"end"]) + b"\n" for body in bodies]


def _as_mboxrd(messages: list[bytes]) -> bytes:
    return b"".join(FROM + re.sub(rb"^(>*From )", rb">\1", one, flags=re.MULTILINE) + b"\n" for one in messages)


@given(_messages(), st.integers(1, 300))
def test_every_message_comes_out_as_it_went_in(messages: list[bytes], chunk: int) -> None:
    assert contents(_as_mboxrd(messages), chunk=chunk) == messages


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([FROM, b"\n", b"\r\n", ONE, b"From x\n", b"Content-Length: 9\n"]), st.binary(max_size=30)
        ),
        max_size=25,
    ),
    st.integers(1, 64),
)
def test_pieces_and_resuming_make_no_difference(parts: list[bytes], chunk: int) -> None:
    content = FROM + b"".join(parts)

    whole = read(content, most=200, chunk=4096)

    assert read(content, most=200, chunk=chunk) == whole
    assert whole[-1].end == len(content)
    assert [message.end for message in whole] == sorted({message.end for message in whole})
    for number, message in enumerate(whole):
        assert read(content, most=200, offset=message.end) == whole[number + 1 :]


@given(st.binary(max_size=300), st.integers(1, 64))
def test_nothing_but_a_refusal_is_raised(content: bytes, chunk: int) -> None:
    with suppress(NotAnMbox):
        read(content, chunk=chunk, most=50)
