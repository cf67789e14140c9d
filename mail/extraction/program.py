"""Reads one PDF, DOCX or XLSX file from standard input and prints its text as JSON. A program, never imported.

    python -I program.py FORMAT < file   ->   {"text": "...", "is_cut": false}   or   {"error": "..."}

It limits itself before it looks at the file: whatever the file does to the parsers, it costs this process at most. The
standard output is a file, so the limit on file sizes is also one on what can be printed.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

MEMORY_BYTES = 768 * 1024 * 1024
CPU_SECONDS = 15
OUTPUT_BYTES = 8 * 1024 * 1024
MAX_CHARS = 500_000
MAX_PAGES = 500
MAX_ROWS = 50_000
MAX_ZIP_ENTRIES = 5_000
MAX_UNZIPPED_BYTES = 200 * 1024 * 1024
MAX_ZIP_RATIO = 200
# Small parts may compress well without meaning harm.
RATIO_FROM_BYTES = 5 * 1024 * 1024


class Refused(Exception):
    """A reason that is told to the reader of the mail."""


def limit_self() -> None:
    """Memory, processor time and written bytes; no core dump and no further processes."""
    for what, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))


def pdf_pieces(content: bytes) -> Iterator[str]:
    """Page by page."""
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused("the file is encrypted")
    for number, page in enumerate(reader.pages):
        if number >= MAX_PAGES:
            return
        yield page.extract_text()


def check_zip(content: bytes) -> None:
    """Refuse archives that unpack to much more than they are, by what they say; the memory limit catches liars."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = archive.infolist()
    if len(entries) > MAX_ZIP_ENTRIES:
        raise Refused("the file has too many parts")
    if sum(entry.file_size for entry in entries) > MAX_UNZIPPED_BYTES:
        raise Refused("the file unpacks to too much")
    for entry in entries:
        if entry.file_size > RATIO_FROM_BYTES and entry.file_size > MAX_ZIP_RATIO * max(1, entry.compress_size):
            raise Refused("the file is compressed suspiciously well")


def docx_pieces(content: bytes) -> Iterator[str]:
    """Paragraphs and tables in the order of the document."""
    from docx import Document
    from docx.table import Table

    check_zip(content)
    for block in Document(BytesIO(content)).iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                yield "\t".join(cell.text.strip() for cell in row.cells)
        else:
            yield block.text


def xlsx_pieces(content: bytes) -> Iterator[str]:
    """Sheets as lines of values with tabs between them; formulas as their last results."""
    from openpyxl import load_workbook

    check_zip(content)
    book = load_workbook(BytesIO(content), read_only=True, data_only=True)
    rows = 0
    for sheet in book.worksheets:
        yield f"# {sheet.title}"
        for row in sheet.iter_rows(values_only=True):
            rows += 1
            if rows > MAX_ROWS:
                return
            if any(value is not None for value in row):
                yield "\t".join("" if value is None else str(value) for value in row).rstrip("\t")


READERS = {"pdf": pdf_pieces, "docx": docx_pieces, "xlsx": xlsx_pieces}


def collect(pieces: Iterator[str]) -> dict[str, Any]:
    """At most MAX_CHARS characters that any database and JSON can carry."""
    found: list[str] = []
    room = MAX_CHARS
    for piece in pieces:
        clean = piece[:room].replace("\x00", "").encode("utf-8", "ignore").decode()
        found.append(clean)
        room -= len(clean) + 1
        if room <= 0:
            return {"text": "\n".join(found)[:MAX_CHARS], "is_cut": True}
    return {"text": "\n".join(found), "is_cut": False}


def main() -> None:
    """Read, print, and tell every failure in one line: the details of a parser's errors are of no use to anybody."""
    limit_self()
    try:
        answer = collect(READERS[sys.argv[1]](sys.stdin.buffer.read()))
    except Refused as reason:
        answer = {"error": str(reason)}
    except MemoryError:
        answer = {"error": "reading the file takes too much memory"}
    except RecursionError:
        answer = {"error": "the file is nested too deeply"}
    except Exception:
        answer = {"error": "the file is damaged or not what it claims to be"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
