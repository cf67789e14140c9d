"""Handle syntax, without a database."""

from __future__ import annotations

import contextlib
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.principal import Profile
from identities.errors import HandleInvalid
from identities.handles import fits_global_namespace, normalize_handle, parse_handle

MODERN = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*\Z")


@pytest.mark.parametrize(
    ("raw", "handle"),
    [
        ("alpha", "alpha"),
        ("@alpha", "alpha"),
        ("%40alpha", "alpha"),
        (" Alpha ", "alpha"),
        ("a1b", "a1b"),
        ("a-b", "a-b"),
        ("123", "123"),
        ("a" * 63, "a" * 63),
        ("py-alpha-0badf00d", "py-alpha-0badf00d"),
        ("xn-a", "xn-a"),
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
def test_accepted(raw: str, handle: str, profile: Profile) -> None:
    assert parse_handle(raw, profile) == handle


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("-alpha", "A handle starts and ends with a letter or digit."),
        ("alpha-", "A handle starts and ends with a letter or digit."),
        ("al--pha", "A handle has no two hyphens in a row."),
        ("@@alpha", "A handle consists of letters a-z, digits and hyphens."),
        ("al pha", "A handle consists of letters a-z, digits and hyphens."),
        ("al.pha", "A handle consists of letters a-z, digits and hyphens."),
        ("al_pha", "A handle consists of letters a-z, digits and hyphens."),
        ("al\x00pha", "A handle consists of letters a-z, digits and hyphens."),
        ("alpha\n1", "A handle consists of letters a-z, digits and hyphens."),
        ("álpha", "A handle consists of letters a-z, digits and hyphens."),
        # KELVIN SIGN: its lower case is the ASCII letter k.
        ("\u212aelvin", "A handle consists of letters a-z, digits and hyphens."),
        ("\u0660\u0661\u0662", "A handle consists of letters a-z, digits and hyphens."),
    ],
)
@pytest.mark.parametrize("profile", list(Profile))
def test_refused(raw: str, rule: str, profile: Profile) -> None:
    with pytest.raises(HandleInvalid) as caught:
        parse_handle(raw, profile)

    assert caught.value.message == rule
    assert caught.value.loc == ("body", "agent_handle")


@pytest.mark.parametrize(
    ("length", "modern", "seed"),
    [
        (0, False, False),
        (1, False, True),
        (2, False, True),
        (3, True, True),
        (63, True, True),
        (64, False, True),
        (255, False, True),
        (256, False, False),
    ],
)
def test_length(length: int, modern: bool, seed: bool) -> None:
    for profile, accepted in ((Profile.MODERN, modern), (Profile.SEED, seed)):
        if accepted:
            assert parse_handle("a" * length, profile) == "a" * length
        else:
            with pytest.raises(HandleInvalid, match="characters"):
                parse_handle("a" * length, profile)
    assert fits_global_namespace("a" * length) is modern


@given(st.text(alphabet=string.ascii_letters + string.digits + "-@ ._%é", max_size=70))
def test_what_is_accepted_has_the_documented_form(raw: str) -> None:
    try:
        handle = parse_handle(raw, Profile.MODERN)
    except HandleInvalid:
        assert not MODERN.match(normalize_handle(raw))
    else:
        assert MODERN.match(handle)
        # Parsing is stable: what was stored is found again.
        assert parse_handle(handle, Profile.MODERN) == handle
        assert normalize_handle(f"@{handle.upper()}") == handle


@given(st.text(max_size=300))
def test_any_text_is_answered_or_refused(raw: str) -> None:
    for profile in Profile:
        with contextlib.suppress(HandleInvalid):
            handle = parse_handle(raw, profile)
            assert parse_handle(handle, profile) == handle
