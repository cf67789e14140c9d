"""Django's middleware for pages. The API has no sessions, forms or flash messages, and its calls need not pay for them.

A call that carries cookies gets the whole chain: a page may call the API in the name of the person who looks at it.
"""

from __future__ import annotations

from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from common.actor import Actor, ActorKind, bind_actor


class _ForPages:
    """Comes before the middleware that it makes conditional."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith("/api/") and not request.META.get("HTTP_COOKIE"):
            response: HttpResponseBase = self.get_response(request)
            return response
        full: HttpResponseBase = super().__call__(request)  # type: ignore[misc]
        return full


class PageSessions(_ForPages, SessionMiddleware):
    """Sessions."""


class PageCsrf(_ForPages, CsrfViewMiddleware):
    """Cross-site request forgery. The check of a view that is not exempt runs in any case (process_view)."""


class PageUsers(_ForPages, AuthenticationMiddleware):
    """`request.user`; in the admin it is an operator who acts."""

    def process_view(self, request: HttpRequest, *_: object) -> None:
        if request.resolver_match is not None and request.resolver_match.app_name == "admin":
            user: Any = request.user
            if user.is_staff:
                bind_actor(Actor(ActorKind.OPERATOR, user.pk, user.email))


class PagePolicy(CSPMiddleware):
    """The Content-Security-Policy of pages; everything else has a fixed one (common/api/middleware.py)."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        page: HttpResponseBase = super().process_response(request, response)
        return page


class PageMessages(_ForPages, MessageMiddleware):
    """Flash messages."""
