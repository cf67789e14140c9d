"""Zip archives: ordinary ones, damaged ones, and ones made to hurt."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.imports import limits
from mail.imports.archives import (
    ArchiveTooLarge,
    BadArchive,
    EntryStream,
    ExpandsTooFar,
    UnsafeExpansion,
    mail_entries,
)
from mail.imports.reading import ImportRefused, Item, Position, Problem, read_upload
from mail.imports.states import ImportFormat
from tests.factories.imports import as_mbox, as_zip, old_mail

PLENTY = 1 << 40


def stream(content: bytes, number: int = 0, most: int = PLENTY) -> EntryStream:
    file = io.BytesIO(content)
    return EntryStream(file, mail_entries(file)[number], most=most)


def items(content: bytes, position: Position | None = None) -> list[Item]:
    return list(read_upload(io.BytesIO(content), ImportFormat.AUTO, position or Position()))


def archive(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        made.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
def test_an_entry_comes_out_as_it_went_in(method: int, size: int) -> None:
    content = bytes(n * n % 251 for n in range(size))
    made = archive("a.eml", content, method)

    assert stream(made).read_all(size + 1) == content
    assert stream(made).read_all(size) == content
    for piece in (1000, 7777):
        reader = stream(made)
        assert b"".join(iter(lambda: reader.read(piece), b"")) == content  # noqa: B023
        assert reader.expanded == size


def test_skipping_is_reading() -> None:
    reader = stream(archive("a.mbox", bytes(range(256)) * 4000))

    reader.skip(256 * 3000 + 3)

    assert reader.read(2) == b"\x03\x04"


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        ("a.eml", True),
        ("a.EML", True),
        ("deep/er/a.mbox", True),
        ("Inbox.mbox/mbox", True),
        ("..\\..\\a.eml", True),
        (".eml", True),
        ("a.eml.zip", False),
        ("a.txt", False),
        ("a.eml/", False),
        ("mailbox", False),
        ("._a.eml", False),
        ("__MACOSX/a.eml", False),
        ("a.mbox.gz", False),
    ],
)
def test_entries_are_chosen_by_name(name: str, is_taken: bool) -> None:
    assert bool(mail_entries(io.BytesIO(as_zip({name: b"x"})))) is is_taken


def test_zip64_and_comments_are_read() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        with made.open("a.eml", "w", force_zip64=True) as entry:
            entry.write(b"hello")
        made.comment = b"PK\x05\x06 is no end here"

    assert stream(target.getvalue()).read_all(100) == b"hello"


def _zip64_end(content: bytes, entries: int) -> bytes:
    """The same archive with its directory described by zip64 records only."""
    at = content.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<2L", content, at + 12)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content[:at] + wide + locator + end


def test_a_directory_described_by_zip64_records() -> None:
    content = _zip64_end(as_zip({"a.eml": b"one", "b.eml": b"two"}), 2)

    assert [entry.index for entry in mail_entries(io.BytesIO(content))] == [0, 1]
    assert stream(content, 1).read_all(9) == b"two"


def test_an_entry_whose_sizes_are_in_its_zip64_field() -> None:
    content = as_zip({"a.eml": b"one"})
    at = content.index(b"PK\x01\x02")
    packed, expanded = struct.unpack_from("<2L", content, at + 20)
    entry = bytearray(content[at : content.rindex(b"PK\x05\x06")])
    struct.pack_into("<2L", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", entry, 30, 28)
    struct.pack_into("<L", entry, 42, 0xFFFFFFFF)
    entry += struct.pack("<2H3Q", 1, 24, expanded, packed, 0)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), at, 0)

    assert stream(content[:at] + bytes(entry) + end).read_all(9) == b"one"


def test_more_entries_than_are_read_cost_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    names = 300_000
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0) + b"a.eml"
    content = entry * names
    content += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(content), 0, 0)
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveTooLarge):
            mail_entries(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 30_000_000
    monkeypatch.setattr(limits, "ZIP_DIRECTORY_BYTES", len(entry))
    with pytest.raises(ArchiveTooLarge):
        mail_entries(file)


def test_the_limit_on_entries_counts_every_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ZIP_ENTRIES", 3)

    assert len(items(as_zip({"a.txt": b"", "b.txt": b"", "c.eml": old_mail(1)}))) == 1
    with pytest.raises(ImportRefused, match="more than 3 entries"):
        items(as_zip({"a.txt": b"", "b.txt": b"", "c.eml": old_mail(1), "d.txt": b""}))


def test_an_entry_that_expands_too_much_is_unsafe_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ZIP_RATIO_FREE_BYTES", 100_000)
    bomb = b"From x Thu Jan  1 00:00:00 2015\nSubject: x\n\n" + bytes(5_000_000)
    content = as_zip({"a.eml": old_mail(1), "bomb.mbox": bomb, "bomb.eml": bomb, "c.eml": old_mail(2)})

    found = items(content)

    assert [item.problem for item in found] == [None, Problem.UNSAFE, Problem.UNSAFE, None]
    assert [item.after.entry for item in found] == [1, 2, 3, 4]
    with pytest.raises(UnsafeExpansion):
        stream(content, 1).read_all(10_000_000)


def test_what_was_read_before_an_entry_turned_out_unsafe_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ZIP_RATIO_FREE_BYTES", 100_000)
    large = b"From x Thu Jan  1 00:00:00 2015\nSubject: x\n\n" + bytes(5_000_000)

    found = items(as_zip({"a.mbox": as_mbox([old_mail(1), old_mail(2)]) + large}))

    assert [item.problem for item in found] == [None, None, Problem.UNSAFE]


def test_all_entries_together_may_expand_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{n}.eml": old_mail(n, text="x" * 10_000) for n in range(5)}
    total = sum(map(len, files.values()))
    content = as_zip(files)

    monkeypatch.setattr(limits, "ZIP_EXPANDED_BYTES", total)
    whole = items(content)
    assert [item.after.expanded for item in whole][-1] == total
    monkeypatch.setattr(limits, "ZIP_EXPANDED_BYTES", total - 1)
    with pytest.raises(ImportRefused, match="expands to more than"):
        items(content)
    # What earlier runs read counts too.
    with pytest.raises(ImportRefused, match="expands to more than"):
        items(content, whole[2].after)
    with pytest.raises(ExpandsTooFar):
        stream(content, most=100).read_all(10_000)


def _changed(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


GOOD = archive("a.eml", old_mail(1), zipfile.ZIP_STORED)
DIRECTORY = GOOD.index(b"PK\x01\x02")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_changed(GOOD, 60, b"!"), id="content changed"),
        pytest.param(_changed(GOOD, DIRECTORY + 42, struct.pack("<L", 4)), id="no local header"),
        pytest.param(_changed(GOOD, DIRECTORY + 10, struct.pack("<H", 14)), id="compressed by LZMA"),
        pytest.param(_changed(GOOD, DIRECTORY + 10, struct.pack("<H", 8)), id="not deflated"),
        pytest.param(_changed(GOOD, DIRECTORY + 20, struct.pack("<L", 1 << 30)), id="longer than the file"),
        pytest.param(_changed(GOOD, DIRECTORY + 42, struct.pack("<L", 1 << 30)), id="beyond the file"),
        pytest.param(_changed(GOOD, DIRECTORY + 20, struct.pack("<L", 3)), id="too short"),
    ],
)
def test_a_damaged_entry_counts_as_failed(content: bytes) -> None:
    assert [item.problem for item in items(content)] == [Problem.FAILED]


def test_a_damaged_entry_does_not_stop_the_others() -> None:
    content = as_zip({"a.eml": old_mail(1), "b.eml": old_mail(2)})
    first = content.index(b"PK\x01\x02")

    found = items(_changed(content, first + 16, b"\x00\x00\x00\x00"))

    assert [item.problem for item in found] == [Problem.FAILED, None]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD[:-1], id="end cut off"),
        pytest.param(GOOD[:DIRECTORY], id="no directory"),
        pytest.param(_changed(GOOD, DIRECTORY, b"XX"), id="directory damaged"),
        pytest.param(_changed(GOOD, DIRECTORY + 28, struct.pack("<H", 9999)), id="name too long"),
        pytest.param(b"PK\x03\x04", id="only a signature"),
        pytest.param(b"PK\x03\x04junk" + GOOD, id="offsets wrong"),
    ],
)
def test_a_damaged_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ImportRefused, match="damaged or incomplete"):
        items(content)


def test_an_encrypted_archive_is_refused() -> None:
    content = _changed(GOOD, DIRECTORY + 8, struct.pack("<H", 1))

    with pytest.raises(ImportRefused, match="password"):
        items(content)


def test_an_overlapping_bomb_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry of the directory stands for the same packed bytes."""
    monkeypatch.setattr(limits, "ZIP_EXPANDED_BYTES", 3_000_000)
    content = as_zip({"a.eml": b"Subject: x\n\n" + b"x" * 1_000_000})
    start = content.index(b"PK\x01\x02")
    directory = content[start : content.rindex(b"PK\x05\x06")]
    many = content[:start] + directory * 1000
    many += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1000, 1000, len(directory) * 1000, start, 0)
    read: list[Item] = []

    with pytest.raises(ImportRefused, match="expands to more than"):
        read.extend(read_upload(io.BytesIO(many), ImportFormat.ZIP, Position()))

    assert len(read) == 2


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_archive_raises_nothing_but_refusals(data: Any) -> None:
    content = bytearray(as_zip({"a.eml": old_mail(1), "b.mbox": as_mbox([old_mail(2)]), "c.txt": b"x"}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        found = items(bytes(content))
    except ImportRefused:
        return

    assert all((item.raw is None) == (item.problem is not None) for item in found)


@given(st.binary(max_size=200))
def test_any_bytes_after_a_signature(tail: bytes) -> None:
    with pytest.raises(ImportRefused):
        items(b"PK\x03\x04" + tail)


def test_an_entry_that_is_cut_off_inside_its_compression() -> None:
    packed = zlib.compress(b"x" * 1000)[2:-4]
    content = bytearray(archive("a.eml", b"x" * 1000))
    start = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, start + 20, len(packed) - 2)

    with pytest.raises(BadArchive):
        stream(bytes(content)).read_all(2000)
