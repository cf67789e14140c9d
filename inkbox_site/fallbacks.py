"""What answers when no view does: JSON envelopes on API paths, plain pages elsewhere."""

from __future__ import annotations

from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from common.api.errors import error_body


def is_api(request: HttpRequest) -> bool:
    """Whether a program is calling (the middleware has removed the seed prefix already)."""
    return request.path_info == "/api" or request.path_info.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: an API path that is in no release, or any other unknown page."""
    if not is_api(request):
        return defaults.page_not_found(request, exception)
    message = f"There is no route {request.method} {request.path_info}. See /api/docs for the routes."
    return _envelope(404, {"error": "route_not_found", "code": "route_not_found", "message": message})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what Django refuses before a view sees it."""
    if not is_api(request):
        return defaults.bad_request(request, exception)
    return _envelope(400, "The request could not be read. Check its path, query string and headers.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 raised outside of the API framework."""
    if not is_api(request):
        return defaults.permission_denied(request, exception)
    return _envelope(403, "Not allowed")


def server_error(request: HttpRequest) -> HttpResponse:
    """500: the traceback is in the log under the id that the caller is told."""
    if not is_api(request):
        return defaults.server_error(request)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "unknown")
    return _envelope(500, f"Internal server error. Tell the operator this request id: {request_id}")


def _envelope(status: int, detail: Any) -> JsonResponse:
    return JsonResponse(error_body(detail), status=status)
