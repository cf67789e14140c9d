"""Secrets that can be read again."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from common.sealed import derive_key, purpose_key, seal, unseal


@given(st.binary(max_size=500))
def test_what_is_sealed_is_unsealed(plain: bytes) -> None:
    assert unseal("test", seal("test", plain)) == plain


def test_the_same_value_never_looks_the_same() -> None:
    assert seal("test", b"value") != seal("test", b"value")


def test_the_value_is_not_in_the_sealed_form() -> None:
    assert b"a long secret value" not in seal("test", b"a long secret value")


def test_a_value_belongs_to_its_purpose() -> None:
    with pytest.raises(InvalidTag):
        unseal("other", seal("test", b"value"))


@pytest.mark.parametrize("position", [0, 11, 12, -1])
def test_a_changed_value_is_refused(position: int) -> None:
    sealed = bytearray(seal("test", b"value"))
    sealed[position] ^= 1

    with pytest.raises(InvalidTag):
        unseal("test", bytes(sealed))


def test_another_server_key_cannot_read_it(settings: object) -> None:
    sealed = seal("test", b"value")
    settings.SECRET_KEY = "another key of this server, long enough"  # type: ignore[attr-defined]

    with pytest.raises(InvalidTag):
        unseal("test", sealed)


def test_keys_differ_by_purpose_and_secret() -> None:
    keys = {derive_key("a", "x"), derive_key("b", "x"), derive_key("a", "y"), purpose_key("a")}

    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert len(derive_key("a", "x", 64)) == 64


def test_a_memoryview_from_the_database_is_fine() -> None:
    assert unseal("test", memoryview(seal("test", b"value"))) == b"value"  # type: ignore[arg-type]
