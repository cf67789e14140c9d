"""JSON in and out through orjson, which writes UUIDs and timestamps natively and is several times quicker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from common import wire


class ApiJsonRenderer(BaseRenderer):
    """UTF-8 JSON; timestamps as RFC 3339 with Z."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        return wire.dumps(data)


def json_response(data: Any, status: int = 200) -> HttpResponse:
    """What a Response renders to, without its negotiation and rendering steps; for the routes that are called most."""
    return HttpResponse(wire.dumps(data), status=status, content_type="application/json")


class ApiJsonParser(BaseParser):
    """A JSON object, array or nothing at all: an empty body reads as {}."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        raw = stream.read()
        if not raw.strip():
            return {}
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not valid JSON: {error}.") from None


class AlwaysJson(BaseContentNegotiation):
    """Answer JSON whatever Accept says: clients send `*/*`, `application/octet-stream` and more, and mean JSON."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        if not request.content_type or request.content_type.startswith("application/"):
            return parsers[0]
        return next((parser for parser in parsers if parser.media_type == request.content_type.split(";")[0]), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
