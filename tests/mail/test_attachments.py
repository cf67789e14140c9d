"""Which files are sent, and what is told of stored ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from mail import limits
from mail.mime.attachments import sanitize_filename
from mail.mime.build import OutgoingAttachment
from mail.services.attachments import check_attachments, is_blocked_filename


def file(
    name: str = "a.pdf", content_type: str = "application/pdf", content_id: str | None = None
) -> OutgoingAttachment:
    return OutgoingAttachment(name, content_type, b"x", content_id)


@pytest.mark.parametrize(
    "name", ["a.exe", "A.BAT", "b.scr ", "c.exe...", ".exe", "d.e\u200bxe", "x\uff0eexe", "e.exe:f"]
)
def test_programs_are_blocked(name: str) -> None:
    assert is_blocked_filename(name)


@pytest.mark.parametrize(
    "name", ["a.pdf", "exe", "a.exe.zip", "a.exec", "my.scr.txt", "", ".", "...", "batman", "a.exe b"]
)
def test_other_files_are_not(name: str) -> None:
    assert not is_blocked_filename(name)


@given(
    stem=st.text(max_size=10),
    extension=st.sampled_from(sorted(limits.BLOCKED_EXTENSIONS)),
    noise=st.lists(st.sampled_from(["\u200b", "\u200e", "\u202e", "\u00ad", " ", ".", "\u00a0"]), max_size=4),
)
def test_what_is_stored_as_a_program_was_blocked(stem: str, extension: str, noise: list[str]) -> None:
    name = stem + extension + "".join(noise)

    if sanitize_filename(name).rstrip(". ").lower().endswith(extension):
        assert is_blocked_filename(name)


def test_images_that_the_html_shows_are_accepted() -> None:
    check_attachments([file("a.png", "IMAGE/png", "a"), file("b.png", "image/png", "b"), file()], "<img src=cid:a>")


@pytest.mark.parametrize(
    ("attachments", "html", "loc"),
    [
        ([file(), file("a.exe")], None, ("body", "attachments", 1, "filename")),
        ([file("a.png", "image/png", "a")], None, ("body", "attachments", 0, "content_id")),
        ([file("a.png", "image/png", "a")], "", ("body", "attachments", 0, "content_id")),
        ([file("a.png", "image/png", "a b")], "<p>", ("body", "attachments", 0, "content_id")),
        ([file("a.png", "image/png", "x" * 256)], "<p>", ("body", "attachments", 0, "content_id")),
        ([file("a.pdf", "application/pdf", "a")], "<p>", ("body", "attachments", 0, "content_type")),
        ([file("a.eml", "multipart/mixed")], None, ("body", "attachments", 0, "content_type")),
        ([file("a.png", "image/png", "a")] * 2, "<p>", ("body", "attachments", 1, "content_id")),
    ],
)
def test_refusals_name_the_field(
    attachments: list[OutgoingAttachment], html: str | None, loc: tuple[str | int, ...]
) -> None:
    with pytest.raises(Invalid) as caught:
        check_attachments(attachments, html)

    assert caught.value.loc == loc


def test_the_size_counts_for_all_files_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTACHMENTS_TOTAL_BYTES", 3)
    check_attachments([file(), file(), file()], None)

    with pytest.raises(Invalid) as caught:
        check_attachments([file(), file(), file(), file()], None)

    assert caught.value.loc == ("body", "attachments")
