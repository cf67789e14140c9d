"""Fields of ciphertext and of what is bound to it. Only the form can be checked here."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from vault import limits

_AUTH_HASH = re.compile(r"[0-9a-f]{64}")


@extend_schema_field(OpenApiTypes.UUID)
class BoundId(serializers.Field[Any, Any, Any, Any]):
    """An id that is part of the encryption, so the client has to get it back letter for letter."""

    def to_internal_value(self, data: Any) -> UUID:
        try:
            value = UUID(data) if isinstance(data, str) else None
        except ValueError:
            value = None
        if value is None or str(value) != data:
            raise serializers.ValidationError("Send a UUID in lower case with hyphens.")
        return value


@extend_schema_field(OpenApiTypes.STR)
class AuthHash(serializers.Field[Any, Any, Any, Any]):
    """SHA-256 of the derived key, in hex."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not _AUTH_HASH.fullmatch(data):
            raise serializers.ValidationError(f"Send {limits.AUTH_HASH_CHARS} lower-case hex digits.")
        return data


@extend_schema_field(OpenApiTypes.BYTE)
class Ciphertext(serializers.Field[Any, Any, Any, Any]):
    """Standard base64 (RFC 4648 section 4) of `low` to `high` bytes; the text is kept as it is."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._low, self._high = low, high

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Send the ciphertext as base64 text.")
        # Before decoding: the length of the text tells that of the bytes.
        if len(data) > (self._high + 2) // 3 * 4:
            raise serializers.ValidationError(self._length())
        try:
            size = len(base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is not standard base64 with padding.") from None
        if not self._low <= size <= self._high:
            raise serializers.ValidationError(self._length())
        return data

    def _length(self) -> str:
        if self._low == self._high:
            return f"Send exactly {self._low} encrypted bytes."
        return f"Send {self._low} to {self._high} encrypted bytes: ciphertext, nonce and tag."


def wrapped_key() -> Ciphertext:
    """The encryption key of the organization, wrapped."""
    return Ciphertext(low=limits.WRAPPED_KEY_BYTES, high=limits.WRAPPED_KEY_BYTES)


def payload(**kwargs: Any) -> Ciphertext:
    """The encrypted payload of a secret."""
    return Ciphertext(low=limits.NONCE_AND_TAG_BYTES, high=limits.PAYLOAD_MAX_BYTES, **kwargs)


class AnyCaseChoice(serializers.ChoiceField):
    """A choice in any letter case, as the samples of the clients write it."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data.lower() if isinstance(data, str) else data)


def one_of(values: Any, **kwargs: Any) -> AnyCaseChoice:
    """One of the values of an enum."""
    known = [value.value for value in values]
    message = f"Use one of: {', '.join(known)}."
    return AnyCaseChoice(choices=known, error_messages={"invalid_choice": message}, **kwargs)
