"""Request ids, the seed mount prefix, security headers, notices."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from common.actor import unbind_actor
from common.api.context import SEED_PREFIX, write_notices

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_API_CSP = "default-src 'none'; frame-ancestors 'none'"
_PAGE_CSP = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
)


class RequestContextMiddleware:
    """Outermost: gives each request an id that goes to the logs and back to the caller as X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else f"req_{secrets.token_hex(8)}"
        structlog.contextvars.bind_contextvars(request_id=request_id)
        request.is_seed_mount = request.path_info.startswith(SEED_PREFIX + "/")  # type: ignore[attr-defined]
        if request.is_seed_mount:  # type: ignore[attr-defined]
            request.path_info = request.path_info.removeprefix(SEED_PREFIX)
        if request.path_info.startswith("/api/"):
            # Clients use both spellings of a collection and do not follow redirects: one of them is canonical here.
            request.path_info = request.path_info.rstrip("/")
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.unbind_contextvars("request_id", "caller")
            unbind_actor()
        response["X-Request-ID"] = request_id
        if "Content-Security-Policy" not in response:
            is_json = response.get("Content-Type", "").startswith("application/json")
            response["Content-Security-Policy"] = _API_CSP if is_json else _PAGE_CSP
        write_notices(request, response)
        return response
