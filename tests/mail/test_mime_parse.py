"""Reading messages: ordinary ones exactly, broken ones without losing their text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.mime.parse import (
    MAX_HEADER_BYTES,
    AttachmentPart,
    HeaderTooLarge,
    ParsedMail,
    extract_attachment,
    extract_attachments,
    parse_mail,
)

ORDINARY = (
    b"Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n"
    b"\tby mail.example.net; Mon, 4 May 2026 10:01:12 +0000\r\n"
    b"From: Ada L. <Ada@Customer.Example>\r\n"
    b"To: billing-bot@mail.example.org, Ops <ops@customer.example>\r\n"
    b'Cc: "Team, The" <team@customer.example>\r\n'
    b"Reply-To: accounts@customer.example\r\n"
    b"Subject: Invoice 4417\r\n"
    b"Date: Mon, 4 May 2026 12:01:10 +0200\r\n"
    b"Message-ID: <20260504.7f3a@customer.example>\r\n"
    b"In-Reply-To: <inv-4417@mail.example.org>\r\n"
    b"References: <first@mail.example.org>\r\n"
    b" <inv-4417@mail.example.org> <first@mail.example.org>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"Hi, the total on invoice 4417\r\nlooks off by 20.\r\n"
)


def message(headers: bytes, body: bytes = b"x") -> bytes:
    """Return a message with CRLF line ends in its headers."""
    return headers.strip(b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


def multipart(subtype: bytes, *parts: bytes) -> bytes:
    """Return a multipart of parts given as header lines, an empty line and a body."""
    inner = b"".join(b"--b1\r\n" + part.replace(b"\n", b"\r\n") + b"\r\n" for part in parts)
    return b'Content-Type: multipart/%b; boundary="b1"\r\n\r\n' % subtype + inner + b"--b1--\r\n"


def strings_of(parsed: ParsedMail) -> Iterator[str]:
    """Yield every string of a parsed message, however deep."""
    for item in fields(parsed):
        value = getattr(parsed, item.name)
        for entry in value if isinstance(value, tuple) else (value,):
            if isinstance(entry, str):
                yield entry
            elif isinstance(entry, AttachmentPart):
                yield from (entry.filename, entry.content_type, entry.content_id or "")


def test_an_ordinary_message() -> None:
    body = b"Hi, the total on invoice 4417\r\nlooks off by 20.\r\n"
    digest = hashlib.sha256(
        b"32:<20260504.7f3a@customer.example>\n29:Ada L. <Ada@Customer.Example>\n"
        b"12:Invoice 4417\n30:Mon, 4 May 2026 12:01:10 +0200\n" + body
    )

    parsed = parse_mail(ORDINARY)

    assert parsed == ParsedMail(
        message_id="<20260504.7f3a@customer.example>",
        in_reply_to="<inv-4417@mail.example.org>",
        references=("<first@mail.example.org>", "<inv-4417@mail.example.org>"),
        from_address="Ada@customer.example",
        from_display_name="Ada L.",
        reply_to=("accounts@customer.example",),
        to_addresses=("billing-bot@mail.example.org", "ops@customer.example"),
        cc_addresses=("team@customer.example",),
        subject="Invoice 4417",
        date=datetime(2026, 5, 4, 12, 1, 10, tzinfo=timezone(timedelta(hours=2))),
        body_text="Hi, the total on invoice 4417\nlooks off by 20.\n",
        body_html=None,
        snippet="Hi, the total on invoice 4417 looks off by 20.",
        attachments=(),
        is_auto_submitted=False,
        is_list_mail=False,
        defects=(),
        dedup_key=digest.hexdigest(),
    )


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\n", b"\r", b"\x00", b"\r\n\r\n"])
def test_nothing_is_an_empty_message(raw: bytes) -> None:
    parsed = parse_mail(raw)

    assert (parsed.message_id, parsed.from_address, parsed.subject, parsed.attachments) == (None, "", None, ())


def test_a_message_without_headers_is_all_body() -> None:
    parsed = parse_mail(b"just some words\nsecond line\n")

    assert parsed.body_text == "just some words\nsecond line\n"
    assert parsed.defects == ("no_headers", "invalid_from")


def test_headers_without_a_body() -> None:
    parsed = parse_mail(b"From: a@example.org\r\nSubject: only headers\r\n")

    assert (parsed.subject, parsed.body_text, parsed.snippet) == ("only headers", None, None)


def test_a_line_that_is_no_header_starts_the_body() -> None:
    parsed = parse_mail(b"From: a@example.org\nno header here\nSubject: not a header\n")

    assert parsed.body_text == "no header here\nSubject: not a header\n"
    assert parsed.subject is None
    assert parsed.defects == ("missing_header_separator",)


def test_an_mbox_line_before_the_headers_is_skipped() -> None:
    assert parse_mail(b"From a@example.org Mon May  4 10:01:12 2026\nSubject: s\n\nx").subject == "s"
    assert parse_mail(b"From : a@example.org\nSubject: s\n\nx").from_address == "a@example.org"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
def test_line_ends_do_not_matter(line_end: bytes) -> None:
    parsed = parse_mail(ORDINARY.replace(b"\r\n", line_end))

    assert parsed.subject == "Invoice 4417"
    assert parsed.references == ("<first@mail.example.org>", "<inv-4417@mail.example.org>")
    assert parsed.body_text == "Hi, the total on invoice 4417\nlooks off by 20.\n"
    assert parsed.defects == (("bare_cr_line_ends",) if line_end == b"\r" else ())


def test_a_single_bare_cr_smuggles_no_header() -> None:
    parsed = parse_mail(b"Subject: one\rFrom: evil@example.org\r\nFrom: good@example.org\r\n\r\nx")

    assert parsed.from_address == "good@example.org"
    assert parsed.subject == "one From: evil@example.org"


# --- headers


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
        (b"=?iso-8859-1?Q?Gr=FC=DFe?= plain =?utf-8*de?q?=C3=BC?=", "Grüße plain ü"),
        (b"=?utf-8?q?two?=\r\n =?utf-8?q?_words?=", "two words"),
        (b"=?utf-8?b?5pel5py?= =?utf-8?b?rOiqng==?=", "日本語"),
        (b"=?utf-8?q?a?= and =?utf-8?q?b?=", "a and b"),
        (b"=?utf-8?q?with spaces inside?=", "with spaces inside"),
        (b"=?utf-8?x?broken?=", "=?utf-8?x?broken?="),
        (b"=?utf-8?q?unclosed", "=?utf-8?q?unclosed"),
        (b"=?nonsense?q?caf=C3=A9?=", "café"),
        (b"=?us-ascii?q?caf=E9?=", "café"),
        ("raw Grüße".encode(), "raw Grüße"),
        ("raw Grüße".encode("latin-1"), "raw Grüße"),
        (b"folded\r\n subject\r\n\there", "folded subject here"),
        (b"bell\x07 nul\x00 esc\x1b[31m", "bell nul esc[31m"),
        (b"=?utf-8?q?line=0D=0ABcc:_x=00?=", "line  Bcc: x"),
        (b"=?utf-16-le?b?AAA92A==?=", "=Ø"),
        (b"", None),
        (b"   ", None),
    ],
)
def test_subject(raw: bytes, subject: str | None) -> None:
    assert parse_mail(b"Subject: " + raw + b"\r\n\r\nx").subject == subject


def test_a_long_subject_is_cut() -> None:
    parsed = parse_mail(b"From: a@b.example\r\nSubject: " + b"s" * 2000 + b"\r\n\r\nx")

    assert parsed.subject == "s" * 998
    assert parsed.defects == ("subject_truncated",)


@pytest.mark.parametrize(
    ("raw", "address", "name"),
    [
        (b"a@example.org", "a@example.org", None),
        (b"<a@EXAMPLE.org>", "a@example.org", None),
        (b"Ada <a@example.org>", "a@example.org", "Ada"),
        (b'"Doe, John" <j@example.org>', "j@example.org", "Doe, John"),
        (b"Doe, John <j@example.org>", "j@example.org", "Doe, John"),
        (b'"Esc \\"q\\" \\\\" <j@example.org>', "j@example.org", 'Esc "q" \\'),
        (b"j@example.org (John (the) Doe)", "j@example.org", "John (the) Doe"),
        (b"John (nick) Doe <j@example.org>", "j@example.org", "John Doe"),
        (b"=?utf-8?q?J=C3=B6rg?= <j@example.org>", "j@example.org", "Jörg"),
        (b'"=?utf-8?b?SsO2cmc=?=" <j@example.org>', "j@example.org", "Jörg"),
        ("Jörg <jörg@bücher.example>".encode(), "jörg@bücher.example", "Jörg"),
        (b'"john doe"@example.org', '"john doe"@example.org', None),
        (b"a@[192.0.2.1]", "a@[192.0.2.1]", None),
        (b"<@relay.example,@b.example:a@example.org>", "a@example.org", None),
        (b'"unclosed <a@example.org>', "a@example.org", "unclosed"),
        (b"(unclosed <a@example.org>", "a@example.org", "unclosed"),
        (b"John Doe a@example.org", "a@example.org", "John Doe"),
        (b"a @ example.org", "a@example.org", None),
        (b"a@example.org>", "a@example.org", None),
        (b"nobody, <>, a@example.org", "a@example.org", None),
        (b"b@example.org, a@example.org", "b@example.org", None),
        (b"Na\x00me\x07 <a@exam\x00ple.org>", "a@example.org", "Name"),
        (b"=?utf-8?q?a=0D=0ABcc:?= <a@example.org>", "a@example.org", "a Bcc:"),
        (b"=?utf-8?q?x@trusted.example,_Doe?= <j@example.org>", "j@example.org", "x@trusted.example, Doe"),
        (b"=?utf-8?q?x@trusted.example", "", None),
        (b"MAILER-DAEMON", "", None),
        (b"<>", "", None),
        (b'<"x@trusted.example>"@evil.example>', "", None),
        (b"a@b@example.org", "", None),
        (b"<a b@example.org>", "", None),
        (b"@example.org", "", None),
        (b"a" * 320 + b"@example.org", "", None),
        (b"undisclosed-recipients:;", "", None),
    ],
)
def test_from(raw: bytes, address: str, name: str | None) -> None:
    parsed = parse_mail(b"From: " + raw + b"\r\n\r\nx")

    assert (parsed.from_address, parsed.from_display_name) == (address, name)
    assert ("invalid_from" in parsed.defects) == (address == "")


@pytest.mark.parametrize(
    ("raw", "addresses"),
    [
        (b"a@x.example, B <b@x.example>", ("a@x.example", "b@x.example")),
        (b"a@x.example;b@x.example;", ("a@x.example", "b@x.example")),
        (b"Team: a@x.example, B <b@x.example>; c@x.example", ("a@x.example", "b@x.example", "c@x.example")),
        (b"undisclosed-recipients:;", ()),
        (b",,a@x.example,,", ("a@x.example",)),
        (b"junk, a@x.example, more junk", ("a@x.example",)),
        (b"<a@x.example> <b@x.example>", ("a@x.example",)),
    ],
)
def test_recipients(raw: bytes, addresses: tuple[str, ...]) -> None:
    assert parse_mail(b"To: " + raw + b"\r\n\r\nx").to_addresses == addresses


def test_repeated_recipient_headers_are_joined_and_a_repeated_from_is_not() -> None:
    parsed = parse_mail(b"To: a@x.example\nFrom: f@x.example\nTo: b@x.example\nFrom: g@x.example\n\nx")

    assert parsed.to_addresses == ("a@x.example", "b@x.example")
    assert parsed.from_address == "f@x.example"


@pytest.mark.parametrize(
    ("raw", "message_id"),
    [
        (b"<a@x>", "<a@x>"),
        (b"\r\n <a@x>", "<a@x>"),
        (b"text <a@x> <b@x>", "<a@x>"),
        (b"<a\r\n @x>", "<a@x>"),
        (b"a@x", "<a@x>"),
        (b"<no-at>", "<no-at>"),
        (b"<a\x00@x>", None),
        (b"nothing", None),
        (b"<>", None),
        (b"<" + b"a" * 1000 + b"@x>", None),
    ],
)
def test_message_id(raw: bytes, message_id: str | None) -> None:
    parsed = parse_mail(b"From: a@x.example\r\nMessage-ID: " + raw + b"\r\n\r\nx")

    assert parsed.message_id == message_id
    assert parsed.defects == (() if message_id else ("invalid_message_id",))


def test_in_reply_to_takes_the_identifier_out_of_its_phrase() -> None:
    assert parse_mail(b"In-Reply-To: Your message of Monday <a@x>\n\nx").in_reply_to == "<a@x>"


def test_ten_thousand_references_keep_the_first_and_the_newest() -> None:
    identifiers = [f"<{number}@x.example>" for number in range(10_000)]

    parsed = parse_mail(message(b"From: a@x.example\nReferences: " + "\n ".join(identifiers).encode()))

    assert len(parsed.references) == 100
    assert parsed.references == (identifiers[0], *identifiers[-99:])
    assert parsed.defects == ("too_many_references",)


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        (b"Mon, 4 May 2026 10:01:12 +0000", datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC)),
        (b"4 May 2026 10:01 -0730 (comment)", datetime(2026, 5, 4, 17, 31, tzinfo=UTC)),
        (b"Mon, 04 May 26 10:01:12 GMT", datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC)),
        (b"Mon, 4 May 2026 10:01:60 +0000", datetime(2026, 5, 4, 10, 1, 59, tzinfo=UTC)),
        (b"Mon, 4 May 2026 10:01:12", datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC)),
        (b"Mon, 4 May 2026 10:01:12 -0000", datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC)),
        (b"Mon, 32 May 2026 10:01:12 +0000", None),
        (b"Mon, 4 May 2026 10:01:12 +9999", None),
        (b"Mon, 4 May 0001 10:01:12 +0000", None),
        (b"Mon, 4 May 9999 23:59:59 -2359", None),
        (b"Mon, 4 May 1969 10:01:12 +0000", None),
        (b"yesterday", None),
        (b"\xff\x00", None),
        (b"1" * 5000, None),
        (b"", None),
    ],
)
def test_date(raw: bytes, date: datetime | None) -> None:
    assert parse_mail(b"Date: " + raw + b"\r\n\r\nx").date == date


@pytest.mark.parametrize(
    ("headers", "is_auto", "is_list"),
    [
        (b"X: y", False, False),
        (b"Auto-Submitted: no", False, False),
        (b"Auto-Submitted: No (comment)", False, False),
        (b"Auto-Submitted: auto-replied", True, False),
        (b"Auto-Submitted: auto-generated; owner=x", True, False),
        (b"Precedence: bulk", True, False),
        (b"Precedence: List", True, False),
        (b"Precedence: junk", True, False),
        (b"Precedence: first-class", False, False),
        (b"List-Id: <list.example.org>", False, True),
        (b"List-Unsubscribe: <mailto:u@example.org>", False, True),
    ],
)
def test_automatic_and_list_mail(headers: bytes, is_auto: bool, is_list: bool) -> None:
    parsed = parse_mail(headers + b"\r\n\r\nx")

    assert (parsed.is_auto_submitted, parsed.is_list_mail) == (is_auto, is_list)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"x" * (10 * MAX_HEADER_BYTES) + b"\r\n\r\nx",
        b"Subject: xxxxxx\r\n" * (MAX_HEADER_BYTES // 16),
        b"X:\r\n " + b"\r\n y" * (MAX_HEADER_BYTES // 3) + b"\r\n\r\nx",
    ],
)
def test_a_huge_header_block_is_refused(raw: bytes) -> None:
    with pytest.raises(HeaderTooLarge):
        parse_mail(raw)


def test_a_header_block_of_the_limit_is_read() -> None:
    headers = b"Subject: s\r\nX: "
    headers += b"x" * (MAX_HEADER_BYTES - len(headers) - 2) + b"\r\n"

    assert parse_mail(headers + b"\r\nx").subject == "s"
    with pytest.raises(HeaderTooLarge):
        parse_mail(b"Y" + headers + b"\r\nx")


# --- bodies


@pytest.mark.parametrize(
    ("content_type", "body", "text", "defects"),
    [
        (b"text/plain; charset=utf-8", "Grüße".encode(), "Grüße", ()),
        (b"text/plain", "Grüße".encode(), "Grüße", ()),
        (b"text/plain", "Grüße".encode("latin-1"), "Grüße", ()),
        (b"text/plain; charset=iso-8859-1", "10 €".encode("cp1252"), "10 €", ()),
        (b'text/plain; charset="ISO-8859-2"', "żółw".encode("iso8859_2"), "żółw", ()),
        (b"text/plain; charset=gb2312", "镕基".encode("gb18030"), "镕基", ()),
        (b"text/plain; charset=iso-2022-jp", "日本".encode("iso2022_jp"), "日本", ()),
        (b"text/plain; charset=us-ascii", "Grüße".encode(), "Grüße", ()),
        (b"text/plain; charset=utf-8 (Plain text)", "ü".encode(), "ü", ()),
        (b"text/plain; charset=utf-8", "Grüße".encode("latin-1"), "Grüße", ("broken_charset",)),
        (b"text/plain; charset=utf-8", "日本語日本語".encode()[:-1], "日本語日本\ufffd", ("broken_charset",)),
        (b"text/plain; charset=utf-16", b"plain ascii", "plain ascii", ("broken_charset",)),
        (b"text/plain; charset=shift_jis", "Grüße ß".encode(), "Grüße ß", ("broken_charset",)),
        (b"text/plain; charset=x-nonsense", "Grüße".encode(), "Grüße", ("unknown_charset",)),
        (b"text/plain; charset=punycode", "Grüße".encode(), "Grüße", ("unknown_charset",)),
        (b"text/plain; charset=unicode_escape", b"\\ud800", "\\ud800", ("unknown_charset",)),
        (b"text/plain; charset=zlib", b"x", "x", ("unknown_charset",)),
        (b"text/plain; charset=" + b"x" * 5000, b"x", "x", ("unknown_charset",)),
        (b"text/plain; charset=", b"x", "x", ()),
        (b"text/plain; charset=cp1252", b"\x81\x8d", "\x81\x8d", ()),
        (b"text/plain; charset=utf-7", b"+2AA-x", "?x", ()),
        (b"text/plain; charset=utf-8", b"\xef\xbb\xbfbom", "bom", ()),
        (b"text/plain; charset=utf-8", b"n\x00ul\x00", "nul", ()),
        (b"text", b"old style", "old style", ()),
        (b"garbage; charset=utf-8", b"x", "x", ()),
        (b"text/markdown", b"# x", "# x", ()),
    ],
)
def test_charsets(content_type: bytes, body: bytes, text: str, defects: tuple[str, ...]) -> None:
    parsed = parse_mail(message(b"From: a@x.example\nContent-Type: " + content_type, body))

    assert (parsed.body_text, parsed.defects) == (text, defects)


@pytest.mark.parametrize(
    ("encoding", "body", "text", "defects"),
    [
        (b"quoted-printable", b"Gr=C3=BC=C3=9Fe soft=\r\nbreak", "Grüße softbreak", ()),
        (b"quoted-printable", b"broken =ZZ = =4", "broken =ZZ = =4", ()),
        (b"QUOTED-PRINTABLE", b"=41", "A", ()),
        (b"base64", b"R3LDvMOf\r\nZQ==\r\n", "Grüße", ()),
        (b"base64", b"R3LDvMOfZQ", "Grüße", ("broken_base64",)),
        (b"base64", b"R3LD**vMOf\xffZQ=", "Grüße", ("broken_base64",)),
        (b"base64", b"QUJDR", "ABC", ("broken_base64",)),
        (b"base64", b"QUI=\r\n-- \r\nfooter", "AB", ()),
        (b"8bit", "ü".encode(), "ü", ()),
        (b"7bit (comment)", b"x", "x", ()),
        (b"x-unknown", b"x", "x", ("unknown_transfer_encoding",)),
        (b"", b"x", "x", ()),
        (b"x-uuencode", b"begin 644 f\r\n#0V%T\r\n`\r\nend\r\n", "Cat", ()),
    ],
)
def test_transfer_encodings(encoding: bytes, body: bytes, text: str, defects: tuple[str, ...]) -> None:
    raw = message(
        b"From: a@x.example\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: " + encoding, body
    )

    parsed = parse_mail(raw)

    assert (parsed.body_text, parsed.defects) == (text, defects)


@pytest.mark.parametrize(
    ("parameters", "body", "text"),
    [
        (b"format=flowed", b"one \r\ntwo\r\nthree", "one two\nthree"),
        (b"format=Flowed; delsp=yes", "日 \r\n本".encode(), "日本"),
        (b"format=flowed", b">> quoted \r\n>> more\r\n> less\r\nmine", ">> quoted more\n> less\nmine"),
        (b"format=flowed", b"> a \r\nb", "> a \nb"),
        (b"format=flowed", b" >stuffed\r\n From x", ">stuffed\nFrom x"),
        (b"format=flowed", b"text \r\n-- \r\nsignature", "text \n-- \nsignature"),
        (b"format=fixed", b"one \r\ntwo", "one \ntwo"),
    ],
)
def test_flowed_text(parameters: bytes, body: bytes, text: str) -> None:
    raw = message(b"Content-Type: text/plain; charset=utf-8; " + parameters, body)

    assert parse_mail(raw).body_text == text


def test_a_huge_body_is_cut() -> None:
    parsed = parse_mail(b"From: a@x.example\r\n\r\n" + b"x" * (3 * 1024 * 1024))

    assert parsed.body_text == "x" * (2 * 1024 * 1024)
    assert parsed.defects == ("body_truncated",)


@pytest.mark.parametrize(
    ("body", "snippet"),
    [
        (b"  one\r\n\r\n two\tthree  ", "one two three"),
        (b"x" * 300, "x" * 200),
        ("pre\u200c\u00a0\u200c\u00adheader".encode(), "pre header"),
        (b" \r\n ", None),
    ],
)
def test_snippet(body: bytes, snippet: str | None) -> None:
    assert parse_mail(b"Subject: s\r\n\r\n" + body).snippet == snippet


def test_the_snippet_of_an_html_message_is_its_text() -> None:
    raw = message(b"Content-Type: text/html", b"<head><style>p{}</style></head><p>Hello <b>you</b></p><p>there")

    parsed = parse_mail(raw)

    assert (parsed.body_text, parsed.snippet) == (None, "Hello you there")


# --- structure

TEXT = b"Content-Type: text/plain\n\ntext"
HTML = b"Content-Type: text/html\n\n<p>html</p>"
PDF = b"Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nQUJD\n"
MIXED_A = b"Content-Type: multipart/mixed; boundary=a\n\n"
RELATED = (
    b'Content-Type: multipart/related; boundary="b2"\n\n--b2\nContent-Type: text/html\n\n<img src="cid:i">\n'
    b"--b2\nContent-Type: image/png\nContent-ID: <i>\nContent-Transfer-Encoding: base64\n\nQUJD\n--b2--"
)


@pytest.mark.parametrize(
    ("raw", "text", "rich", "filenames"),
    [
        (multipart(b"alternative", TEXT, HTML), "text", "<p>html</p>", []),
        (multipart(b"alternative", HTML, TEXT), "text", "<p>html</p>", []),
        (multipart(b"alternative", TEXT, RELATED), "text", '<img src="cid:i">', ["attachment-1.png"]),
        (multipart(b"alternative", TEXT, b"Content-Type: text/x-amp-html\n\namp", HTML), "text", "<p>html</p>", []),
        (
            multipart(b"alternative", TEXT, b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR"),
            "text",
            None,
            ["attachment-1.ics"],
        ),
        (multipart(b"mixed", TEXT, PDF), "text", None, ["a.pdf"]),
        (multipart(b"mixed", TEXT, PDF, TEXT), "text\ntext", None, ["a.pdf"]),
        (multipart(b"mixed", HTML, HTML), None, "<p>html</p>\n<p>html</p>", []),
        (
            multipart(b"mixed", HTML, b"\nfooter & co"),
            "html\nfooter & co",
            '<p>html</p>\n<div style="white-space: pre-wrap">footer &amp; co</div>',
            [],
        ),
        (
            multipart(b"mixed", TEXT, b"Content-Type: text/plain\nContent-Disposition: attachment\n\nx"),
            "text",
            None,
            ["attachment-1.txt"],
        ),
        (multipart(b"mixed", TEXT, b"Content-Type: text/html; name=page.html\n\nx"), "text", None, ["page.html"]),
        (multipart(b"mixed", TEXT, b"Content-Type: text/csv\n\na,b"), "text", None, ["attachment-1.csv"]),
        (multipart(b"related", HTML, TEXT), None, "<p>html</p>", ["attachment-1.txt"]),
        (
            multipart(b'related; start="<r>"', PDF, b"Content-ID: <x>\n\nno", b"Content-ID: <r>\n\nroot"),
            "root",
            None,
            ["a.pdf", "attachment-2.txt"],
        ),
        (multipart(b"unknown", TEXT), "text", None, []),
        (multipart(b"digest", b"\nSubject: inner\n\nx"), None, None, ["inner.eml"]),
        (
            multipart(b"report", TEXT, b"Content-Type: message/delivery-status\n\nStatus: 5.1.1"),
            "text",
            None,
            ["attachment-1.txt"],
        ),
        (
            multipart(b"signed", TEXT, b"Content-Type: application/pgp-signature\n\nsig"),
            "text",
            None,
            ["attachment-1.asc"],
        ),
        (message(b"Content-Type: application/pdf", b"x"), None, None, ["attachment-1.pdf"]),
        (message(b"Content-Type: text/calendar", b"x"), None, None, ["attachment-1.ics"]),
        (
            message(b"Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt", b"x"),
            None,
            None,
            ["a.txt"],
        ),
    ],
)
def test_bodies_and_attachments(raw: bytes, text: str | None, rich: str | None, filenames: list[str]) -> None:
    parsed = parse_mail(b"From: a@x.example\r\n" + raw)

    assert (parsed.body_text, parsed.body_html) == (text, rich)
    assert [part.filename for part in parsed.attachments] == filenames
    assert parsed.defects == ()


def test_attachment_metadata_and_content() -> None:
    raw = multipart(
        b"mixed",
        TEXT,
        PDF,
        b"Content-Type: IMAGE/PNG\nContent-ID: <l@x>\nContent-Disposition: inline; filename=logo.png\n\n\x89P\x00\xff",
        b"Content-Type: image/gif\nContent-ID: <x@x>\nContent-Disposition: attachment; filename=x.gif\n\nGIF",
        b"Content-Type: not a type\nContent-Disposition: attachment\n\n",
    )

    parts = (
        AttachmentPart(0, "a.pdf", "application/pdf", 3, None, is_inline=False),
        AttachmentPart(1, "logo.png", "image/png", 4, "l@x", is_inline=True),
        AttachmentPart(2, "x.gif", "image/gif", 3, "x@x", is_inline=False),
        AttachmentPart(3, "attachment-4.bin", "application/octet-stream", 0, None, is_inline=False),
    )
    assert parse_mail(raw).attachments == parts
    found = extract_attachments(raw)
    assert [item.part for item in found] == list(parts)
    assert [item.content for item in found] == [b"ABC", b"\x89P\x00\xff", b"GIF", b""]
    assert extract_attachment(raw, 1) == found[1]
    assert extract_attachment(raw, 4) is None
    assert extract_attachment(raw, -1) is None


def test_an_embedded_message_is_one_attachment_with_its_exact_bytes() -> None:
    inner = multipart(b"mixed", TEXT, PDF).replace(b"b1", b"b3")
    inner = b"Subject: =?utf-8?q?Old=2FNew_caf=C3=A9?=\r\n" + inner
    raw = multipart(b"mixed", TEXT, b"Content-Type: message/rfc822\n\nPLACE").replace(b"PLACE", inner)

    (found,) = extract_attachments(raw)

    assert found.part == AttachmentPart(0, "OldNew café.eml", "message/rfc822", len(inner), None, is_inline=False)
    assert found.content == inner
    assert parse_mail(raw).body_text == "text"


@pytest.mark.parametrize("headers", [b"", b"Subject: ...\r\n", b"Subject: " + b"x" * 2_000_000 + b"\r\n"])
def test_an_embedded_message_without_a_usable_subject(headers: bytes) -> None:
    raw = multipart(b"mixed", b"Content-Type: message/rfc822\n\nPLACE").replace(b"PLACE", headers + b"\r\nx")

    assert parse_mail(raw).attachments[0].filename == "message.eml"


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b"filename=report.pdf", "report.pdf"),
        (b'filename="my report.pdf"', "my report.pdf"),
        (b'filename="a\\"b.pdf"', 'a"b.pdf'),
        (b'filename="unclosed.pdf', "unclosed.pdf"),
        (b"filename*=utf-8''caf%C3%A9.pdf", "café.pdf"),
        (b"filename*=iso-8859-1'fr'caf%E9.pdf", "café.pdf"),
        (b"filename*=caf%C3%A9.pdf", "café.pdf"),
        (b"filename=plain.pdf; filename*=utf-8''caf%C3%A9.pdf", "café.pdf"),
        (b"filename*1*=%A9.pdf; filename*0*=utf-8''caf%C3", "café.pdf"),
        (b'filename*0="part one "; filename*1="and two.pdf"', "part one and two.pdf"),
        (b"filename*=nonsense''caf%C3%A9.pdf", "café.pdf"),
        (b'filename="=?utf-8?q?caf=C3=A9=2Epdf?="', "café.pdf"),
        ('filename="café.pdf"'.encode(), "café.pdf"),
        ('filename="café.pdf"'.encode("latin-1"), "café.pdf"),
        (b'filename="../../etc/passwd"', "etcpasswd"),
        (b'filename="C:\\dir\\a?b#c.pdf"', "C:dirabc.pdf"),
        (b'filename="...hidden"', "hidden"),
        (b'filename="a\x00b\x07\x7f\tc.pdf"', "ab c.pdf"),
        (b"filename*=utf-8''%E2%80%AEfdp.exe%00%0d%0a", "fdp.exe"),
        (b'filename="///"', "attachment-1.pdf"),
        (b'filename=""; x=y', "attachment-1.pdf"),
        (b"filename=" + b"x" * 300 + b".pdf", "x" * 196 + ".pdf"),
        (b"filename=" + b"x" * 300, "x" * 200),
        (b"filename=" + b"x" * 9000 + b".pdf", "x" * 200),
        (b"size=3", "attachment-1.pdf"),
        (b"=;;;==;*=;**=;filename*x=1", "attachment-1.pdf"),
    ],
)
def test_filenames(disposition: bytes, filename: str) -> None:
    raw = message(b"Content-Type: application/pdf\nContent-Disposition: attachment; " + disposition)

    assert parse_mail(raw).attachments[0].filename == filename


def test_equal_filenames_are_told_apart_ignoring_case() -> None:
    names = [b"report.pdf", b"REPORT.pdf", b"report (2).pdf", b"report.pdf", b"report", b"Report"]
    raw = multipart(b"mixed", *(b'Content-Disposition: attachment; filename="%b"\n\nx' % name for name in names))

    assert [part.filename for part in parse_mail(raw).attachments] == [
        "report.pdf",
        "REPORT (2).pdf",
        "report (2) (2).pdf",
        "report (3).pdf",
        "report",
        "Report (2)",
    ]


def test_numbered_names_stay_within_the_limit() -> None:
    part = b"Content-Disposition: attachment; filename=" + b"x" * 196 + b".pdf\n\nx"

    parts = parse_mail(multipart(b"mixed", part, part)).attachments

    assert [part.filename for part in parts] == ["x" * 196 + ".pdf", "x" * 192 + " (2).pdf"]


@pytest.mark.parametrize(
    ("body", "text", "defects"),
    [
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\n\nsecond",
            "first\nsecond",
            ("truncated_multipart",),
        ),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--\n", None, ()),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--\n", None, ()),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b", None, ("truncated_multipart",)),
        (b"Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b  \t\n\nx\n--b--\nepilogue", "x", ()),
        (b"Content-Type: multipart/mixed; boundary=b\n--b\n\nno empty line\n--b--\n", "no empty line", ()),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bc\ny\n--b--\n", "x\n--bc\ny", ()),
        (b"Content-Type: multipart/mixed; boundary=a:b\n\n--a:b\n\nx\n--a:b\n\ny\n--a:b--\n", "x\ny", ()),
        (b"Content-Type: multipart/mixed\n\n--guess\n\nx\n--guess--\n", "x", ("missing_boundary",)),
        (b"Content-Type: multipart/mixed\n\nno parts at all", "no parts at all", ("missing_boundary",)),
        (
            b"Content-Type: multipart/mixed; boundary=b\n\nno parts at all",
            "no parts at all",
            ("truncated_multipart", "boundary_not_found"),
        ),
        (
            MIXED_A + b"--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ninner\n--a\n\nouter\n--a--\n",
            "inner\nouter",
            ("truncated_multipart",),
        ),
        (
            MIXED_A + b"--a\n" + MIXED_A + b"--a\n\ninner\n--a--\n--a\n\nouter\n--a--\n",
            "inner\nouter",
            (),
        ),
    ],
)
def test_broken_multiparts_keep_their_text(body: bytes, text: str | None, defects: tuple[str, ...]) -> None:
    for line_end in (b"\n", b"\r\n"):
        parsed = parse_mail((b"From: a@x.example\n" + body).replace(b"\n", line_end))

        assert (parsed.body_text, parsed.defects) == (text, defects)


# --- bounds, counted rather than timed


def test_parts_past_the_limit_are_ignored() -> None:
    raw = b"From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    raw += b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" * 50_000

    parsed = parse_mail(raw)

    assert len(parsed.attachments) == 999  # the multipart itself is the first part
    assert parsed.defects == ("too_many_parts",)


def test_nesting_past_the_limit_becomes_text() -> None:
    raw = b"From: a@x.example\r\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(10_000)
    )

    parsed = parse_mail(raw)

    assert parsed.body_text is not None
    assert parsed.body_text.startswith("--b50\nContent-Type: multipart/mixed; boundary=b51\n")
    assert parsed.defects == ("too_deep", "truncated_multipart")


def test_recipients_past_the_limit_are_ignored() -> None:
    raw = b"From: a@x.example\r\nTo: " + b",".join(b"Name <u%d@x.example>" % n for n in range(12_000)) + b"\r\n\r\nx"

    parsed = parse_mail(raw)

    assert len(parsed.to_addresses) == 10_000
    assert parsed.to_addresses[-1] == "u9999@x.example"
    assert parsed.defects == ("too_many_addresses",)


@pytest.mark.parametrize("unit", [b'"', b'"\\', b"(", b"()", b"a,", b"a:", b"<", b"<>", b"a@ ", b" ", b"@", b'"a" '])
def test_junk_in_an_address_header_gives_no_address(unit: bytes) -> None:
    raw = b"From: a@x.example\r\nTo: " + unit * 20_000 + b"\r\n\r\nx"

    assert parse_mail(raw).to_addresses == ()


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: " + b"=?utf-8?q?x?= " * 20_000,
        b"Subject: " + b"=?a?q?" * 40_000,
        b"From: " + b"=?utf-8?b?eA" * 20_000 + b" <a@x.example>",
        b"References: " + b"<" * 200_000,
        b"Message-ID: " + b"<a@b" * 50_000,
        b"Date: " + b"1 " * 50_000,
        b'Content-Type: text/plain; a="' + b"\\" * 200_000,
        b"Content-Type: text/plain" + b";a*0*=x" * 30_000,
        b"Content-Type: text/plain" + b'; a="b\\' * 30_000,
        b"Content-Disposition: inline" + b" ;" * 100_000,
        b"Content-Transfer-Encoding: " + b"x " * 100_000,
    ],
)
def test_a_repetitive_header_leaves_the_body_readable(header: bytes) -> None:
    assert parse_mail(header + b"\r\n\r\nbody").body_text == "body"


# --- deduplication


def test_trace_headers_and_folding_do_not_change_the_dedup_key() -> None:
    key = parse_mail(ORDINARY).dedup_key

    assert parse_mail(b"Received: from other\r\nX-Spam: no\r\n" + ORDINARY).dedup_key == key
    assert parse_mail(ORDINARY.replace(b"Ada L. <", b"Ada L.\r\n\t<")).dedup_key == key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"7f3a@", b"7f3b@"),
        (b"Ada L.", b"Bob L."),
        (b"4417\r\nDate", b"4418\r\nDate"),
        (b"12:01:10", b"12:01:11"),
        (b"by 20", b"by 21"),
    ],
)
def test_a_different_message_has_a_different_dedup_key(old: bytes, new: bytes) -> None:
    assert old in ORDINARY
    assert parse_mail(ORDINARY.replace(old, new)).dedup_key != parse_mail(ORDINARY).dedup_key


def test_a_repeated_message_without_a_message_id_is_recognized_by_its_date() -> None:
    raw = b"From: a@x.example\r\nDate: Mon, 04 May 2026 10:01:12 +0000\r\nSubject: s\r\n\r\nx"

    assert parse_mail(b"Received: from one\r\n" + raw).dedup_key == parse_mail(raw).dedup_key


def test_without_a_message_id_and_date_every_byte_counts() -> None:
    raw = b"Subject: s\r\n\r\nx"

    assert parse_mail(raw).dedup_key == hashlib.sha256(raw).hexdigest()


# --- properties

FRAGMENTS = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"From: ",
        b"To: ",
        b"Subject: ",
        b"Date: ",
        b"Message-ID: ",
        b"References: ",
        b"Content-Type: ",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: text/html; charset=",
        b"multipart/alternative; boundary=",
        b"--b\r\n",
        b"--b--\r\n",
        b"b",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-ID: <x>\r\n",
        b"Content-Disposition: attachment; filename=",
        b"Content-Disposition: inline; filename*0*=utf-8''%",
        b"=?utf-8?q?",
        b"=?utf-16?b?AAA92A==?=",
        b"?=",
        b"=ED=A0=80",
        b"\xed\xa0\x80",
        b"\x00",
        b"\xff\xfe",
        b"+2AA-",
        b"utf-7",
        b"utf-16",
        b"idna",
        b"<a@x>",
        b"<",
        b">",
        b'"',
        b"(",
        b"\\",
        b":",
        b";",
        b",",
        b"@",
        b" ",
        b"QUJD",
        b"=",
        b"<p>",
        b"&#xd800;",
        b"format=flowed ",
    ]
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
HOSTILE = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=40).map(b"".join)


def check_any_message(raw: bytes) -> None:
    parsed = parse_mail(raw)

    for text in strings_of(parsed):
        assert "\x00" not in text
        text.encode()
    for line in (parsed.subject, parsed.from_display_name, parsed.from_address, *parsed.to_addresses):
        assert CONTROL.search(line or "") is None
    assert parsed.date is None or parsed.date.tzinfo is not None
    found = extract_attachments(raw)
    assert tuple(item.part for item in found) == parsed.attachments
    assert all(len(item.content) == item.part.size for item in found)
    for part in parsed.attachments:
        assert part.filename
        assert len(part.filename) <= 200
        assert not set("/\\?#") & set(part.filename)
    names = [part.filename.casefold() for part in parsed.attachments]
    assert len(set(names)) == len(names)
    assert extract_attachment(raw, 0) == (found[0] if found else None)


@settings(max_examples=150, deadline=None)
@given(HOSTILE)
def test_any_fragments_are_read(raw: bytes) -> None:
    check_any_message(raw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read(raw: bytes) -> None:
    check_any_message(raw)


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, 2000), position=st.integers(0, 2000), junk=st.binary(max_size=6))
def test_a_cut_and_damaged_message_is_read(cut: int, position: int, junk: bytes) -> None:
    raw = ORDINARY[:-60] + multipart(b"mixed", TEXT, RELATED, PDF, b"Content-Type: message/rfc822\n\nSubject: x\n\ny")
    raw = raw.replace(b"Content-Type: text/plain; charset=utf-8\r\n", b"", 1)

    check_any_message((raw[:position] + junk + raw[position:])[: cut or None])


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=300))
def test_attachment_bytes_are_exact(content: bytes) -> None:
    encoded = base64.encodebytes(content)
    raw = multipart(b"mixed", TEXT, b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + encoded)

    assert [item.content for item in extract_attachments(raw)] == [content]
