"""Input serializers: validate a request body or query and hand a frozen dataclass to the service."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request

D = TypeVar("D")

_CACHED_QUERY_CHARS = 128


@lru_cache(maxsize=256)
def _form(kind: type[InputSerializer[Any]]) -> InputSerializer[Any]:
    """One instance per class: making one copies every field, which costs more than validating a request with it."""
    return kind()


@lru_cache(maxsize=1024)
def _parsed_query(kind: type[InputSerializer[Any]], text: str) -> Any:
    """Most callers ask the same few questions again and again; the answer is a frozen dataclass."""
    return kind._build(QueryDict(text.encode("latin-1")).dict())


class QueryInvalid(serializers.ValidationError):
    """A validation error of a query string, as opposed to a body."""


class InputSerializer(serializers.Serializer[Any], Generic[D]):
    """A plain serializer whose result is a dataclass (`into`). Unknown fields are ignored unless `strict`.

    Fields without a value keep the dataclass default, so a PATCH body declares its fields `required=False` and its
    dataclass defaults them to UNSET.
    """

    into: ClassVar[type[Any]]
    strict: ClassVar[bool] = False
    # Parsed query strings are remembered, unless they carry something that should not stay in memory.
    remembers_queries: ClassVar[bool] = True

    @classmethod
    def parse(cls, request: Request) -> D:
        """The request body as `into`. Raises a validation error naming each bad field (422)."""
        return cls._build(request.data)

    @classmethod
    def parse_query(cls, request: Request) -> D:
        """The query parameters as `into`. A refusal names the place `query`."""
        text = request.META.get("QUERY_STRING", "")
        try:
            if not cls.remembers_queries or len(text) > _CACHED_QUERY_CHARS or not is_dataclass(cls.into):
                return cls._build(request.query_params.dict())
            result: D = _parsed_query(cls, text)
            return result
        except serializers.ValidationError as error:
            raise QueryInvalid(error.detail) from None

    @classmethod
    def _build(cls, data: Any) -> D:
        result: D = cls.into(**_form(cls).run_validation(data))
        return result

    def to_internal_value(self, data: Any) -> Any:
        if self.strict and isinstance(data, dict) and (extra := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(dict.fromkeys(extra, "Unknown field. Remove it."))
        return super().to_internal_value(data)


class NestedInput(InputSerializer[D]):
    """An InputSerializer used as a field of another: its validated value is already the dataclass."""

    def to_internal_value(self, data: Any) -> Any:
        return self.into(**super().to_internal_value(data))


class StrictBoolean(serializers.BooleanField):
    """JSON true or false, nothing that merely looks like it."""

    default_error_messages = {"invalid": "Use true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class QueryBoolean(serializers.BooleanField):
    """`true` or `false` in a query string."""


class CleanText(serializers.CharField):
    """Text as it was sent (not trimmed) without NUL, which PostgreSQL cannot store."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        kwargs.setdefault("allow_blank", True)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if not data.isprintable() and any("\ud800" <= c <= "\udfff" for c in data):
            raise serializers.ValidationError("Remove unpaired surrogate code points.")
        return super().to_internal_value(data)


class HeaderText(CleanText):
    """Text for one header line: no line breaks or other control characters (header injection)."""

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise serializers.ValidationError("Remove line breaks and control characters.")
        return value
