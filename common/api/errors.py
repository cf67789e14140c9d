"""The one exception handler of the API: every refusal leaves as `{"detail": ...}` (contract README section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from common.api.inputs import QueryInvalid
from common.errors import DomainError

log = structlog.get_logger(__name__)


def handle_exception(error: Exception, _context: Mapping[str, Any]) -> Response | None:
    """The response for an expected error; None lets Django answer 500 and log the traceback."""
    if isinstance(error, DomainError):
        return _respond(error.status, error.detail, retry_after=error.retry_after)
    if isinstance(error, exceptions.ValidationError):
        place = "query" if isinstance(error, QueryInvalid) else "body"
        return _respond(422, list(_issues(error.detail, (place,))))
    if isinstance(error, exceptions.ParseError):
        return _respond(422, [{"loc": ["body"], "msg": str(error.detail), "type": "json_invalid"}])
    if isinstance(error, RequestDataTooBig):
        return _respond(413, "The request body is too large.")
    if isinstance(error, Http404):
        return _respond(404, "Not found")
    if isinstance(error, PermissionDenied):
        return _respond(403, "Not allowed")
    if isinstance(error, exceptions.APIException):
        response = _respond(error.status_code, str(error.detail))
        if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
            response.status_code = status.HTTP_401_UNAUTHORIZED
        return response
    return None


def _issues(detail: Any, loc: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    """A flat list of {loc, msg, type} from DRF's nested error structure."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            # DRF reports the errors of list items as a mapping from index to errors.
            yield from _issues(inner, loc if name == "non_field_errors" else (*loc, name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            if isinstance(inner, Mapping | list):
                if inner:
                    yield from _issues(inner, (*loc, index))
            else:
                yield from _issues(inner, loc)
    else:
        yield {"loc": list(loc), "msg": str(detail), "type": getattr(detail, "code", None) or "value_error"}


def error_body(detail: Any) -> dict[str, Any]:
    """The error envelope; `agent_support` is the operator's text for agents that are stuck."""
    body = {"detail": detail}
    if settings.AGENT_SUPPORT:
        body["agent_support"] = settings.AGENT_SUPPORT
    return body


def _respond(code: int, detail: Any, *, retry_after: int | None = None) -> Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    if code == status.HTTP_401_UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'ApiKey realm="api"'  # RFC 9110 section 11.6.1
    return Response(error_body(detail), status=code, headers=headers)
