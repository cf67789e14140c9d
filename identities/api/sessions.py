"""Tokens of people who are signed in to the console: for calls of the API in their own name.

The cookie of the console session (with a CSRF token) is traded for a short-lived bearer token; with either, the tokens
of the person are listed and revoked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from common.actor import actor_of, bind_actor
from common.api.inputs import CleanText, InputSerializer
from common.api.outputs import OutputSerializer
from common.api.viewsets import ApiRequest, ApiViewSet
from common.principal import Principal, Scope
from identities.api.authentication import PrincipalAuthentication
from identities.models import SessionToken, User
from identities.services.sessions import (
    ORGANIZATION_KEY,
    list_session_tokens,
    open_api_session,
    revoke_current_tokens,
    revoke_session_token,
    revoke_session_tokens,
)

_PEOPLE = frozenset({Scope.SESSION})


class ConsoleSession(BaseAuthentication):
    """The cookie of a console session. Whoever sends it has to prove that it is no other site that does (CSRF)."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active:
            return None
        SessionAuthentication().enforce_csrf(request)
        principal = Principal(
            scope=Scope.SESSION, organization_id=request._request.session.get(ORGANIZATION_KEY), user_id=user.pk
        )
        bind_actor(actor_of(principal))
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class ConsoleSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the cookie appears in the OpenAPI document."""

    target_class = "identities.api.sessions.ConsoleSession"
    name = "ConsoleSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The body of token; without an organization it is the one that the console shows."""

    organization_id: str | None = None


class TokenRequestIn(InputSerializer[TokenRequest]):
    """Body of token."""

    into = TokenRequest
    organization_id = CleanText(required=False, allow_null=True, max_length=64)


class SessionTokenOut(OutputSerializer):
    """A bearer token, shown this once."""

    id = serializers.UUIDField()
    token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    expires_at = serializers.DateTimeField()
    organization_id = serializers.CharField(allow_null=True, help_text="Null for a person without an organization.")


class LiveTokenOut(OutputSerializer):
    """A token that is accepted now, without its text."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    is_current = serializers.BooleanField(help_text="Whether this request came with it.")


class LiveTokensOut(OutputSerializer):
    """All of them."""

    items = LiveTokenOut(many=True)


def _live(row: SessionToken, principal: Principal) -> dict[str, Any]:
    return {
        "id": row.pk,
        "organization_id": row.organization_id,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "is_current": row.pk == principal.session_token_id,
    }


class SessionTokenViewSet(ApiViewSet):
    """Tokens of the person who is signed in."""

    allowed: ClassVar[Any] = _PEOPLE
    allows_no_organization = True
    authentication_classes = (ConsoleSession,)

    @extend_schema(
        operation_id="create_session_token",
        summary="Trade the console session for a bearer token of an hour",
        request=TokenRequestIn,
        responses={201: SessionTokenOut},
    )
    def create(self, request: ApiRequest) -> Response:
        wanted = TokenRequestIn.parse(request)
        issued = open_api_session(request.principal, wanted.organization_id, _session_key(request))
        return Response(SessionTokenOut.render(issued), status=201, headers={"Cache-Control": "no-store"})


class SessionTokensViewSet(ApiViewSet):
    """What was handed out to the caller, and its end."""

    allowed: ClassVar[Any] = _PEOPLE
    allows_no_organization = True
    authentication_classes = (PrincipalAuthentication, ConsoleSession)

    @extend_schema(
        operation_id="list_session_tokens",
        summary="List the caller's tokens that are accepted now, newest first",
        responses={200: LiveTokensOut},
    )
    def list(self, request: ApiRequest) -> Response:
        rows = list_session_tokens(request.principal)
        return Response({"items": [_live(row, request.principal) for row in rows]})

    @extend_schema(
        operation_id="revoke_session_token", summary="Make one token of the caller invalid", responses={204: None}
    )
    def destroy(self, request: ApiRequest, token_id: str) -> Response:
        revoke_session_token(request.principal, token_id)
        return Response(status=204)

    @extend_schema(
        operation_id="revoke_current_session_token",
        summary="Make the token of this request invalid; with a console session, those that were traded for it",
        request=None,
        responses={204: None},
    )
    def revoke_current(self, request: ApiRequest) -> Response:
        revoke_current_tokens(request.principal, _session_key(request))
        return Response(status=204)

    @extend_schema(
        operation_id="revoke_session_tokens",
        summary="Make every bearer token of the caller invalid at once",
        request=None,
        responses={204: None},
    )
    def revoke_all(self, request: ApiRequest) -> Response:
        revoke_session_tokens(request.principal)
        return Response(status=204)


def _session_key(request: ApiRequest) -> str:
    """Of the console session; empty for a call without cookies."""
    session = getattr(request._request, "session", None)
    return (session.session_key or "") if session is not None else ""
