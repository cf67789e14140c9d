"""Return paths: made here or refused, and good for the recipients of their transaction only."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mail.bounces.return_path import ReturnPath, covered, make_return_path, read_return_path

MESSAGE = UUID("0192f0c1-7a5e-7abc-8def-0123456789ab")
HOME = "mail.localhost"
ADA, BOB, EVE = "Ada@customer.example", "bob@customer.example", "eve@other.example"


def read(address: str) -> ReturnPath:
    path = read_return_path(address)
    assert path is not None
    return path


@given(st.uuids())
def test_every_message_is_found_again(message_id: UUID) -> None:
    address = make_return_path(message_id, HOME, [ADA])

    assert len(address.partition("@")[0]) <= 64
    assert address == address.lower()
    assert read(address).message_id == message_id


def test_a_server_may_change_the_case() -> None:
    address = make_return_path(MESSAGE, HOME, [ADA])

    assert read(address.upper()) == read(f"<{address}>") == read(address)


@pytest.mark.parametrize(
    ("transaction", "expected"),
    [
        ([ADA], (ADA,)),
        (["ADA@customer.example"], (ADA,)),
        ([ADA, BOB], (ADA, BOB)),
        ([ADA, BOB, EVE], (ADA, BOB, EVE)),
        ([EVE], (EVE,)),
        (["gone@nowhere.example"], ()),
    ],
)
def test_it_covers_the_recipients_of_its_transaction(transaction: list[str], expected: tuple[str, ...]) -> None:
    path = read(make_return_path(MESSAGE, HOME, transaction))

    assert covered(path, [ADA, BOB, EVE]) == expected


def test_what_was_not_made_here_is_no_return_path(settings: Settings) -> None:
    address = make_return_path(MESSAGE, HOME, [ADA])
    local, _, domain = address.partition("@")

    assert read_return_path(f"{local}@other.example") == read_return_path(address)
    assert read_return_path(f"{local}x@{domain}") is None
    assert read_return_path("bounce-rate@mail.localhost") is None
    assert read_return_path("billing-bot@mail.localhost") is None
    assert read_return_path("") is None
    for number, letter in enumerate(local):
        if letter.isalnum() and number >= len("bounce-") and number < len(local) - 16:
            changed = local[:number] + ("a" if letter != "a" else "b") + local[number + 1 :]
            assert read_return_path(f"{changed}@{domain}") is None
    settings.SECRET_KEY = "another-secret-key-of-some-length-00"
    assert read_return_path(address) is None


def test_a_changed_seal_covers_nobody() -> None:
    address = make_return_path(MESSAGE, HOME, [ADA, EVE])
    local, _, domain = address.partition("@")
    last = "a" if local[-1] != "a" else "b"

    path = read(f"{local[:-1]}{last}@{domain}")

    assert path.message_id == MESSAGE
    assert covered(path, [ADA, EVE]) == ()


@given(st.text(max_size=120))
def test_any_text_may_stand_in_rcpt(text: str) -> None:
    assert read_return_path(text) is None
    assert read_return_path(f"{text}@mail.localhost") is None
