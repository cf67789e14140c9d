"""Which message a message answers, and the subject of an answer."""

from __future__ import annotations

import pytest

from mail.threading import candidate_parents, forward_subject, reply_references, reply_subject


def test_in_reply_to_comes_before_the_references_from_last_to_first() -> None:
    assert candidate_parents("<c@x>", ["<a@x>", "<b@x>", "<c@x>"]) == ("<c@x>", "<b@x>", "<a@x>")


def test_references_alone_name_the_parents() -> None:
    assert candidate_parents(None, ["<a@x>", "<b@x>", "<a@x>"]) == ("<a@x>", "<b@x>")


def test_a_first_message_has_no_parents() -> None:
    assert candidate_parents(None, []) == ()
    assert candidate_parents("", [""]) == ()


def test_candidates_are_limited_to_the_newest() -> None:
    references = [f"<{number}@x>" for number in range(10_000)]

    candidates = candidate_parents("<parent@x>", references)

    assert len(candidates) == 50
    assert candidates[:2] == ("<parent@x>", "<9999@x>")
    assert candidates[-1] == "<9951@x>"


def test_a_reply_refers_to_its_parent_last() -> None:
    assert reply_references(["<a@x>", "<b@x>"], "<c@x>") == ("<a@x>", "<b@x>", "<c@x>")
    assert reply_references([], "<c@x>") == ("<c@x>",)


def test_a_parent_that_is_in_its_own_references_moves_to_the_end() -> None:
    assert reply_references(["<c@x>", "<a@x>", "<a@x>"], "<c@x>") == ("<a@x>", "<c@x>")


def test_a_parent_without_message_id_passes_its_references_on() -> None:
    assert reply_references(["<a@x>"], None) == ("<a@x>",)


def test_long_chains_keep_the_first_and_the_newest() -> None:
    references = [f"<{number}@x>" for number in range(500)]

    chain = reply_references(references, "<parent@x>")

    assert len(chain) == 100
    assert chain[:2] == ("<0@x>", "<402@x>")
    assert chain[-1] == "<parent@x>"


@pytest.mark.parametrize(
    ("subject", "reply"),
    [
        ("Invoice 4417", "Re: Invoice 4417"),
        ("Re: Invoice 4417", "Re: Invoice 4417"),
        ("RE: Invoice 4417", "RE: Invoice 4417"),
        ("re : Invoice", "re : Invoice"),
        ("Re[2]: Invoice", "Re[2]: Invoice"),
        ("Fwd: Invoice", "Re: Fwd: Invoice"),
        ("Regarding: x", "Re: Regarding: x"),
        ("Reply", "Re: Reply"),
        ("", "Re:"),
        (None, "Re:"),
    ],
)
def test_reply_subject(subject: str | None, reply: str) -> None:
    assert reply_subject(subject) == reply
    assert reply_subject(reply) == reply


@pytest.mark.parametrize(
    ("subject", "forward"),
    [
        ("Invoice 4417", "Fwd: Invoice 4417"),
        ("Fwd: Invoice 4417", "Fwd: Invoice 4417"),
        ("FWD: Invoice 4417", "FWD: Invoice 4417"),
        ("Fw: Invoice 4417", "Fw: Invoice 4417"),
        ("Re: Invoice", "Fwd: Re: Invoice"),
        ("Fwded: x", "Fwd: Fwded: x"),
        ("", "Fwd:"),
        (None, "Fwd:"),
    ],
)
def test_forward_subject(subject: str | None, forward: str) -> None:
    assert forward_subject(subject) == forward
    assert forward_subject(forward) == forward


def test_a_subject_of_full_length_stays_within_the_limit() -> None:
    assert len(reply_subject("x" * 998)) == 998
    assert len(forward_subject("x" * 998)) == 998
