"""Fields that several bodies of this app share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from common.api.inputs import CleanText, HeaderText, InputSerializer, QueryInvalid


def one_of(values: Iterable[str], **kwargs: Any) -> serializers.ChoiceField:
    """One of the values; a refusal names them."""
    known = [str(value) for value in values]
    message = f"Use one of: {', '.join(known)}."
    return serializers.ChoiceField(choices=known, error_messages={"invalid_choice": message}, **kwargs)


def items_of(kind: Any, max_length: int, **kwargs: Any) -> Any:
    """An optional list of objects."""
    return kind(many=True, required=False, max_length=max_length, **kwargs)


class Line(HeaderText):
    """Optional text of one line, without surrounding space; an empty one clears."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        kwargs = {"required": False, "allow_null": True, "trim_whitespace": True, **kwargs}
        super().__init__(max_length=max_length, **kwargs)


class Block(CleanText):
    """As Line, of any number of lines."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        kwargs = {"required": False, "allow_null": True, "trim_whitespace": True, **kwargs}
        super().__init__(max_length=max_length, **kwargs)


class Ids(serializers.ListField):
    """Row ids, each counted once."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        super().__init__(child=serializers.UUIDField(), max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return list(dict.fromkeys(super().to_internal_value(data)))


def parse_repeated(kind: type[InputSerializer[Any]], request: Request, *names: str) -> Any:
    """A query whose parameters `names` may be repeated, comma-joined, or both; the others are single.

    Raises QueryInvalid.
    """
    query: QueryDict = request.query_params
    data: dict[str, Any] = query.dict()
    for name in names:
        if name in query:
            data[name] = [part for value in query.getlist(name) for part in str(value).split(",") if part]
    try:
        return kind._build(data)
    except serializers.ValidationError as error:
        raise QueryInvalid(error.detail) from None
