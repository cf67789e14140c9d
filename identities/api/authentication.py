"""Credentials of an API request, in the order of the contract: X-API-Key, X-Service-Token, Authorization."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from common import ratelimit
from common.actor import actor_of, bind_actor
from common.errors import Unauthenticated
from common.principal import Principal
from identities.errors import BadCredential
from identities.services.api_keys import KEY_PREFIX, authenticate_api_key
from identities.services.sessions import authenticate_session_token


class PrincipalAuthentication(BaseAuthentication):
    """Puts a Principal into `request.user`; no credential leaves it None, a bad one raises 401."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        principal = authenticate(request)
        if principal is None:
            return None
        structlog.contextvars.bind_contextvars(caller=principal.key_id or principal.user_id)
        bind_actor(actor_of(principal))
        own = principal.requests_per_minute
        limit = settings.RATE_LIMIT_KEY_PER_MINUTE if own is None else own
        ratelimit.hit("caller", principal.key_id or principal.user_id or "", limit)
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return "ApiKey"


def authenticate(request: Request) -> Principal | None:
    """The caller, None when there is no credential. Raises BadCredential, OrganizationSuspended."""
    if key := request.META.get("HTTP_X_API_KEY") or request.META.get("HTTP_X_SERVICE_TOKEN"):
        return authenticate_api_key(key)
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return None
    kind, _, token = header.partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token:
        raise Unauthenticated("Use Authorization: Bearer with an API key or a session token.")
    if token.startswith(KEY_PREFIX):
        return authenticate_api_key(token)
    if token.count(".") == 2:
        return authenticate_session_token(token)
    raise BadCredential


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the credentials appear in the OpenAPI document."""

    target_class = "identities.api.authentication.PrincipalAuthentication"
    name = ["ApiKey", "SessionToken"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        # Either of them, where the default means both.
        return [{name: []} for name in self.name]
