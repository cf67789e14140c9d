"""Text of one file, within hard limits of time, memory and size."""

from __future__ import annotations

import subprocess
import sys
from codecs import getincrementaldecoder
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import orjson

from mail.extraction.formats import Format
from mail.html_text import html_to_text

PROGRAM = Path(__file__).with_name("program.py")
MAX_CHARS = 500_000
# Beside the program's own limit on processor time: this one also ends a program that sleeps.
TIMEOUT_SECONDS = 30.0
_MAX_ANSWER_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Extraction:
    """The text, or why there is none."""

    text: str | None
    is_cut: bool = False
    reason: str = ""


def extract_text(kind: Format, content: bytes) -> Extraction:
    """Never raises for anything that a file does."""
    if kind is Format.PLAIN:
        return _finished(_decoded(content))
    if kind is Format.HTML:
        return _finished(html_to_text(_decoded(content), max_chars=MAX_CHARS + 1))
    return _run(kind, content)


def _decoded(content: bytes) -> str:
    """As UTF-8 when it is that, as UTF-16 by its mark, else byte by byte."""
    some = content[: 4 * (MAX_CHARS + 1)]
    if some[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return some.decode("utf-16", "replace").replace("\x00", "")
    try:
        # The cut may go through the last character.
        text = getincrementaldecoder("utf-8-sig")().decode(some, final=len(some) == len(content))
    except UnicodeDecodeError:
        text = some.decode("cp1252", "replace")
    return text.replace("\x00", "")


def _finished(text: str) -> Extraction:
    return Extraction(text[:MAX_CHARS], is_cut=len(text) > MAX_CHARS)


def _run(kind: Format, content: bytes) -> Extraction:
    with TemporaryFile() as source, TemporaryFile() as target:
        source.write(content)
        source.seek(0)
        try:
            done = subprocess.run(  # noqa: S603  (our own program, a fixed argument, no shell)
                [sys.executable, "-I", str(PROGRAM), kind.value],
                stdin=source,
                stdout=target,
                stderr=subprocess.DEVNULL,
                env={},
                timeout=TIMEOUT_SECONDS,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return Extraction(None, reason="reading the file takes too long")
        target.seek(0)
        answer = target.read(_MAX_ANSWER_BYTES + 1)
    if done.returncode != 0:
        # Killed by a limit, or by a parser that crashed.
        return Extraction(None, reason="reading the file takes too much time or memory")
    try:
        found = orjson.loads(answer)
        if "error" in found:
            return Extraction(None, reason=str(found["error"]))
        return Extraction(str(found["text"])[:MAX_CHARS], is_cut=bool(found["is_cut"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Extraction(None, reason="the file could not be read")
