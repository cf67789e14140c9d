"""Outgoing messages: exact headers and structure, and a way back through the parser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.mime.build import OutgoingAttachment, OutgoingMail, build_mail, new_message_id
from mail.mime.parse import extract_attachments, parse_mail

MAIL = OutgoingMail(
    message_id="<m1@example.org>",
    date=datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC),
    from_address="bot@example.org",
    from_display_name="Billing Bot",
    to=("ada@customer.example",),
    cc=(),
    subject="Invoice 4417",
    body_text="Fixed, see attached.",
    body_html=None,
)
PDF = OutgoingAttachment("invoice.pdf", "application/pdf", b"%PDF-1.7\x00\xff")
STAMP = OutgoingAttachment("stamp.png", "image/png", b"\x89PNG", content_id="stamp")


def header_of(raw: bytes, name: bytes) -> bytes:
    """Return one unfolded header field of the message."""
    found = re.search(rb"(?m)^" + name + rb":((?:[^\n]|\n[ \t])*)", raw.partition(b"\r\n\r\n")[0])
    assert found is not None, name
    return found[1].replace(b"\r\n", b"").strip()


def types_of(raw: bytes) -> list[str]:
    """Return the content types in the order of the message."""
    return [found.decode() for found in re.findall(rb"(?m)^Content-Type: ([^;\r\n]+)", raw)]


def test_a_text_message_is_exact() -> None:
    assert build_mail(MAIL) == (
        b"Date: Mon, 04 May 2026 10:01:12 +0000\r\n"
        b"From: Billing Bot <bot@example.org>\r\n"
        b"To: ada@customer.example\r\n"
        b"Subject: Invoice 4417\r\n"
        b"Message-ID: <m1@example.org>\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Fixed, see attached.\r\n"
    )


def test_an_empty_message_is_legal() -> None:
    raw = build_mail(replace(MAIL, body_text=None, subject=""))

    assert raw.endswith(b"7bit\r\n\r\n")
    assert parse_mail(raw).subject is None
    assert parse_mail(raw).body_text is None


@pytest.mark.parametrize(
    ("text", "rich", "attachments", "types"),
    [
        ("t", None, (), ["text/plain"]),
        (None, "<p>h</p>", (), ["text/html"]),
        ("t", "<p>h</p>", (), ["multipart/alternative", "text/plain", "text/html"]),
        (
            "t",
            "<p>h</p>",
            (STAMP,),
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        ),
        (None, "<p>h</p>", (STAMP,), ["multipart/related", "text/html", "image/png"]),
        ("t", None, (PDF,), ["multipart/mixed", "text/plain", "application/pdf"]),
        ("t", None, (STAMP,), ["multipart/mixed", "text/plain", "image/png"]),
        (None, None, (PDF,), ["multipart/mixed", "application/pdf"]),
        (
            "t",
            "<p>h</p>",
            (PDF, STAMP),
            [
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "image/png",
                "application/pdf",
            ],
        ),
    ],
)
def test_structure(
    text: str | None, rich: str | None, attachments: tuple[OutgoingAttachment, ...], types: list[str]
) -> None:
    raw = build_mail(replace(MAIL, body_text=text, body_html=rich, attachments=attachments))

    assert types_of(raw) == types
    parsed = parse_mail(raw)
    assert parsed.defects == ()
    assert (parsed.body_text or "").rstrip("\n") == (text or "")
    assert (parsed.body_html or "").rstrip("\n") == (rich or "")
    assert len(parsed.attachments) == len(attachments)


def test_an_inline_image_keeps_its_content_id() -> None:
    raw = build_mail(replace(MAIL, body_html='<img src="cid:stamp">', attachments=(STAMP,)))

    (part,) = parse_mail(raw).attachments
    assert (part.filename, part.content_id, part.is_inline, part.size) == ("stamp.png", "stamp", True, 4)


@pytest.mark.parametrize(
    ("field", "value", "name", "raw"),
    [
        ("subject", "Invoice for the café", b"Subject", b"=?utf-8?q?Invoice_for_the_caf=C3=A9?="),
        ("subject", "日本語", b"Subject", b"=?utf-8?b?5pel5pys6Kqe?="),
        ("subject", "a literal and plain =?word", b"Subject", b"=?utf-8?q?a_literal_and_plain_=3D=3Fword?="),
        (
            "from_display_name",
            "Jörg Example-Sender",
            b"From",
            b"=?utf-8?q?J=C3=B6rg_Example-Sender?= <bot@example.org>",
        ),
        ("from_display_name", 'Doe, "J" \\', b"From", b'"Doe, \\"J\\" \\\\" <bot@example.org>'),
        ("from_display_name", None, b"From", b"bot@example.org"),
        ("to", ("a@bücher.example",), b"To", b"a@xn--bcher-kva.example"),
        ("to", ("grüße@example.org",), b"To", "grüße@example.org".encode()),
        ("to", (), b"To", b"undisclosed-recipients:;"),
        ("cc", ("a@x.example", "b@x.example"), b"Cc", b"a@x.example, b@x.example"),
        ("reply_to", "accounts@example.org", b"Reply-To", b"accounts@example.org"),
        ("in_reply_to", "<p@x>", b"In-Reply-To", b"<p@x>"),
        ("references", ("<a@x>", "<b@x>"), b"References", b"<a@x> <b@x>"),
        ("extra_headers", (("Auto-Submitted", "auto-replied"),), b"Auto-Submitted", b"auto-replied"),
    ],
)
def test_header_encoding(field: str, value: object, name: bytes, raw: bytes) -> None:
    changed = replace(MAIL, **{field: value})  # type: ignore[arg-type]

    assert header_of(build_mail(changed), name) == raw


def test_references_keep_the_first_and_the_last_thirty() -> None:
    references = tuple(f"<{number}@example.org>" for number in range(100))

    raw = build_mail(replace(MAIL, references=references))

    assert parse_mail(raw).references == ("<0@example.org>", *references[-30:])
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\x00b", "a\ud800b"])
@pytest.mark.parametrize(
    "field",
    ["subject", "from_display_name", "from_address", "to", "cc", "reply_to", "message_id", "in_reply_to", "references"],
)
def test_a_header_cannot_be_broken_out_of(field: str, bad: str) -> None:
    if "address" in field or field in {"to", "cc", "reply_to"}:
        bad += "@example.org"
    value: object = (bad,) if field in {"to", "cc", "references"} else bad
    changed = replace(MAIL, **{field: value})  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=f"^{field} must"):
        build_mail(changed)


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (("X-Test", "a\r\nBcc: x@y"), "extra_headers X-Test must"),
        (("X-Te\r\nst", "a"), "extra_headers must have valid header names"),
        (("X Test", "a"), "extra_headers must have valid header names"),
        (("Bcc", "x@y.example"), "extra_headers must not set Bcc"),
        (("bcc", "x@y.example"), "extra_headers must not set bcc"),
        (("Resent-Bcc", "x@y.example"), "extra_headers must not set Resent-Bcc"),
        (("From", "x@y.example"), "extra_headers must not set From"),
        (("Content-Type", "text/html"), "extra_headers must not set Content-Type"),
    ],
)
def test_extra_headers_cannot_break_the_message(headers: tuple[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(named)}"):
        build_mail(replace(MAIL, extra_headers=(headers,)))


@pytest.mark.parametrize(
    ("attachment", "named"),
    [
        (replace(PDF, filename="a\r\nX: y"), "attachment filename must"),
        (replace(PDF, content_type="text/plain\r\nX: y"), "attachment content_type must"),
        (replace(PDF, content_type="pdf"), "attachment content_type must"),
        (replace(PDF, content_type="multipart/mixed; boundary=x"), "attachment content_type must"),
        (replace(PDF, content_id="a>\r\nX: y"), "attachment content_id must"),
        (replace(PDF, content_id=""), "attachment content_id must"),
    ],
)
def test_attachment_headers_cannot_break_the_message(attachment: OutgoingAttachment, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        build_mail(replace(MAIL, attachments=(attachment,)))


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b@c", "a b@example.org", "Name <a@example.org>", "a@exa\tmple", "a@-ü-.example"]
)
def test_an_address_must_be_bare(address: str) -> None:
    with pytest.raises(ValueError, match=r"^to "):
        build_mail(replace(MAIL, to=(address,)))


def test_a_date_needs_a_zone() -> None:
    with pytest.raises(ValueError, match=r"^date must"):
        build_mail(replace(MAIL, date=datetime(2026, 5, 4)))  # noqa: DTZ001


@pytest.mark.parametrize(
    "filename",
    [
        "report.pdf",
        'a "quoted" name.pdf',
        "Rechnung für März.pdf",
        "日本語.txt",
        "é" * 100 + ".txt",
        "100%.txt",
        "it's.txt",
        "=_x.txt",
        "a;b=c.txt",
    ],
)
def test_filenames_come_back(filename: str) -> None:
    raw = build_mail(replace(MAIL, attachments=(replace(PDF, filename=filename),)))

    assert parse_mail(raw).attachments[0].filename == filename
    assert max(len(line) for line in raw.split(b"\r\n")) <= 100


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_of_the_body_become_crlf(newline: str) -> None:
    raw = build_mail(replace(MAIL, body_text=f"one{newline}two{newline}"))

    assert raw.endswith(b"\r\n\r\none\r\ntwo\r\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("short ascii", b"7bit"),
        ("x" * 998, b"7bit"),
        ("x" * 999, b"quoted-printable"),
        ("one é in a rather long line of text", b"quoted-printable"),
        ("ééééé", b"base64"),
        ("bell \x07", b"quoted-printable"),
        (".\ntrailing space \nFrom here", b"7bit"),
        (".\né trailing space in a longer line of text \nFrom here to the end ", b"quoted-printable"),
    ],
)
def test_body_encoding(text: str, encoding: bytes) -> None:
    raw = build_mail(replace(MAIL, body_text=text))

    assert header_of(raw, b"Content-Transfer-Encoding") == encoding
    assert (parse_mail(raw).body_text or "").removesuffix("\n") == text
    assert re.search(rb"[^\r]\n|\r[^\n]", raw) is None


def test_a_forwarded_message_travels_as_text() -> None:
    inner = build_mail(MAIL)
    wrapped = OutgoingAttachment("original.eml", "message/rfc822", inner)

    raw = build_mail(replace(MAIL, attachments=(wrapped,)))

    assert inner in raw
    assert extract_attachments(raw)[0].content == inner


def test_a_forwarded_message_with_8bit_text_marks_the_outer_message() -> None:
    inner = b"Subject: x\n\nGr\xc3\xbc\xc3\x9fe\n"
    wrapped = OutgoingAttachment("original.eml", "message/rfc822", inner)

    raw = build_mail(replace(MAIL, attachments=(wrapped,)))

    assert header_of(raw, b"Content-Transfer-Encoding") == b"8bit"
    assert extract_attachments(raw)[0].content == inner.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("inner", [b"x" * 999, b"a\x00b", b"a\rb"])
def test_a_forwarded_message_that_is_no_text_is_kept_exactly(inner: bytes) -> None:
    raw = build_mail(replace(MAIL, attachments=(OutgoingAttachment("o.eml", "message/rfc822", inner),)))

    assert extract_attachments(raw)[0].content == inner


def test_message_ids_are_unique_and_on_the_domain() -> None:
    found = {new_message_id("Example.org") for _ in range(100)}

    assert len(found) == 100
    assert all(re.fullmatch(r"<[0-9a-f]{32}@example\.org>", identifier) for identifier in found)
    assert new_message_id("bücher.example").endswith("@xn--bcher-kva.example>")


@pytest.mark.parametrize("domain", ["", "a b", "a\r\nb", "a>b", "-a", "a."])
def test_a_message_id_needs_a_domain(domain: str) -> None:
    with pytest.raises(ValueError, match=r"^domain must"):
        new_message_id(domain)


PRINTABLE = st.characters(exclude_categories=["C", "Z"])
LINE = st.lists(st.text(PRINTABLE, min_size=1, max_size=20), max_size=12).map(" ".join)
BODY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), max_size=400)
LOCAL = st.from_regex(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.é-]{1,40}", fullmatch=True)
ADDRESS = st.builds("{}@{}.example".format, LOCAL, st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True))
FILENAME = st.from_regex(r"[a-zA-Zäé0-9 _'=%;,()-]{0,120}[a-z]\.[a-z]{3}", fullmatch=True).filter(
    lambda name: name == " ".join(name.split())
)


def normalize(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


@settings(max_examples=100, deadline=None)
@given(
    subject=LINE,
    name=LINE,
    to=st.lists(ADDRESS, max_size=8),
    cc=st.lists(ADDRESS, max_size=8),
    text=BODY,
    rich=BODY,
    files=st.lists(st.tuples(FILENAME, st.binary(max_size=200)), max_size=3, unique_by=lambda f: f[0].casefold()),
)
def test_what_is_built_is_read_back(
    subject: str,
    name: str,
    to: list[str],
    cc: list[str],
    text: str,
    rich: str,
    files: list[tuple[str, bytes]],
) -> None:
    mail = replace(
        MAIL,
        subject=subject,
        from_display_name=name,
        to=tuple(to),
        cc=tuple(cc),
        body_text=text,
        body_html=rich,
        attachments=tuple(OutgoingAttachment(file, "application/pdf", data) for file, data in files),
    )

    raw = build_mail(mail)
    parsed = parse_mail(raw)

    assert parsed.defects == ()
    assert (parsed.subject or "") == subject
    assert (parsed.from_address, parsed.from_display_name or "") == ("bot@example.org", name)
    assert (parsed.to_addresses, parsed.cc_addresses) == (tuple(to), tuple(cc))
    assert normalize(parsed.body_text) == normalize(text)
    assert normalize(parsed.body_html) == normalize(rich)
    assert [(item.part.filename, item.content) for item in extract_attachments(raw)] == files
    assert parsed.date == MAIL.date
    assert parsed.message_id == MAIL.message_id
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert re.search(rb"[^\r]\n|\r[^\n]", raw) is None
    assert re.search(rb"(?im)^bcc", raw.partition(b"\r\n\r\n")[0]) is None
