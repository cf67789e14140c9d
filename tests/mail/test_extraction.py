"""Text out of files (mail/extraction)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.extraction import sandbox
from mail.extraction.formats import Format, format_of
from mail.extraction.sandbox import Extraction, extract_text
from tests.mail.files import DOCX, XLSX, docx, pdf, with_part, xlsx, zip_bomb


@pytest.mark.parametrize(
    ("content_type", "filename", "kind"),
    [
        ("application/pdf", "x", Format.PDF),
        ("Application/PDF; name=x", "x.txt", Format.PDF),
        (DOCX, "a", Format.DOCX),
        (XLSX, "a", Format.XLSX),
        ("text/html", "a.txt", Format.HTML),
        ("text/csv", "a", Format.PLAIN),
        ("application/octet-stream", "A.PDF", Format.PDF),
        ("application/octet-stream", "a.exe", None),
        ("application/octet-stream", "pdf", Format.PDF),
        ("image/png", "a.pdf", None),
        ("application/zip", "a.zip", None),
        ("", "", None),
    ],
)
def test_formats(content_type: str, filename: str, kind: Format | None) -> None:
    assert format_of(content_type, filename) is kind


def test_pdf_docx_and_xlsx_are_read() -> None:
    assert extract_text(Format.PDF, pdf("First page", "Second page")) == Extraction("First page\nSecond page")
    assert extract_text(Format.DOCX, docx("Zoë", "東京", table=(("a", "b"), ("c", "d")))) == Extraction(
        "Zoë\n東京\na\tb\nc\td"
    )
    assert extract_text(Format.XLSX, xlsx("Sums", ("Total", 20.5), (None, "due"))) == Extraction(
        "# Sums\nTotal\t20.5\n\tdue"
    )


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        (Format.PLAIN, "naïve\x00 東京".encode(), "naïve 東京"),
        (Format.PLAIN, b"\xef\xbb\xbfmark", "mark"),
        (Format.PLAIN, b"caf\xe9", "café"),
        (Format.PLAIN, "wide".encode("utf-16"), "wide"),
        (Format.PLAIN, b"", ""),
        (Format.HTML, b"<p>One<p>Two<script>no</script>", "One\n\nTwo"),
    ],
)
def test_text_and_html_are_decoded(kind: Format, content: bytes, text: str) -> None:
    assert extract_text(kind, content) == Extraction(text)


def test_long_text_is_cut_and_says_so() -> None:
    found = extract_text(Format.PLAIN, "é".encode() * (2 * sandbox.MAX_CHARS + 100))

    assert found == Extraction("é" * sandbox.MAX_CHARS, is_cut=True)


@pytest.mark.parametrize("kind", [Format.PDF, Format.DOCX, Format.XLSX])
@pytest.mark.parametrize("content", [b"", b"%PDF-1.4\n", b"PK\x03\x04", b"x" * 1000, docx("hello"), pdf("hello")])
def test_damaged_files_and_files_of_another_kind_are_failures(kind: Format, content: bytes) -> None:
    found = extract_text(kind, content)

    if found.text is None:
        assert found.reason
    else:
        assert (kind, found.text) in ((Format.PDF, "hello"), (Format.DOCX, "hello"), (Format.PDF, ""))


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (zip_bomb("word/document.xml", 300 << 20), Format.DOCX, "the file unpacks to too much"),
        (zip_bomb("xl/workbook.xml", 100 << 20), Format.XLSX, "the file is compressed suspiciously well"),
    ],
)
def test_zip_bombs_are_refused(content: bytes, kind: Format, reason: str) -> None:
    assert len(content) < 500_000
    assert extract_text(kind, content) == Extraction(None, reason=reason)


def test_a_pdf_that_unpacks_without_end_is_stopped() -> None:
    bomb = pdf("x", stream=b"(" + b"a" * (1 << 28) + b") Tj")
    assert len(bomb) < 2_000_000

    started = time.monotonic()
    found = extract_text(Format.PDF, bomb)

    assert time.monotonic() - started < sandbox.TIMEOUT_SECONDS + 5
    assert found.text is None or len(found.text) <= sandbox.MAX_CHARS


def test_entities_that_multiply_are_stopped() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    body = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "laugh">{entities}]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&e11;</w:t></w:r></w:p></w:body></w:document>'
    secret = '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&x;</w:t></w:r></w:p></w:body></w:document>'

    bomb = extract_text(Format.DOCX, with_part(docx("x"), "word/document.xml", body.encode()))
    reader = extract_text(Format.DOCX, with_part(docx("x"), "word/document.xml", secret.encode()))

    assert bomb.text is None or len(bomb.text) < 1000
    assert "root:" not in (reader.text or "")


def test_a_program_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(sandbox, "PROGRAM", sleeper)
    monkeypatch.setattr(sandbox, "TIMEOUT_SECONDS", 0.5)

    assert extract_text(Format.PDF, b"") == Extraction(None, reason="reading the file takes too long")


@pytest.mark.parametrize(
    "code", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)", "print('{')", "print('[]')", "print('{}')"]
)
def test_a_program_that_breaks_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(code)
    monkeypatch.setattr(sandbox, "PROGRAM", broken)

    found = extract_text(Format.PDF, b"")

    assert found.text is None
    assert found.reason


def test_the_program_has_limits_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(
        f"import importlib.util, json, os, resource\n"
        f"spec = importlib.util.spec_from_file_location('program', {str(sandbox.PROGRAM)!r})\n"
        "program = importlib.util.module_from_spec(spec); spec.loader.exec_module(program)\n"
        "program.limit_self()\n"
        "names = ('RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_FSIZE', 'RLIMIT_CORE')\n"
        "limits = [resource.getrlimit(getattr(resource, n))[1] for n in names]\n"
        "secret = [n for n in os.environ if 'INKBOX' in n or 'DATABASE' in n]\n"
        "print(json.dumps({'text': json.dumps([limits, secret]), 'is_cut': False}))\n"
    )
    monkeypatch.setattr(sandbox, "PROGRAM", probe)

    assert extract_text(Format.PDF, b"").text == "[[805306368, 15, 8388608, 0], []]"


@given(content=st.binary(max_size=200), kind=st.sampled_from([Format.PLAIN, Format.HTML]))
@settings(deadline=None)
def test_any_bytes_give_clean_text(content: bytes, kind: Format) -> None:
    text = extract_text(kind, content).text

    assert text is not None
    assert "\x00" not in text
    text.encode()
