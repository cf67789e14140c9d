"""The base of every API view: who may call is declared, errors are rendered in one place."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from common import ratelimit
from common.api.context import client_address
from common.errors import Forbidden, Unauthenticated
from common.principal import Principal, Scope

EVERYONE = frozenset(Scope)


class ApiRequest(Request):
    """A request with a Principal (for type checkers; at run time it is DRF's request)."""

    principal: Principal


class ApiViewSet(ViewSet):
    """Subclasses set `allowed` (or `allowed_by_action`); an action outside of it answers 403, no credential 401."""

    allowed: ClassVar[frozenset[Scope] | set[Scope]] = EVERYONE
    allowed_by_action: ClassVar[dict[str, frozenset[Scope] | set[Scope]]] = {}
    is_public: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.is_public:
            return
        principal = request.user
        if not isinstance(principal, Principal):
            raise Unauthenticated("Send your API key in the X-API-Key header.")
        request.principal = principal  # type: ignore[attr-defined]
        if not self.action:
            return  # no handler for this method: DRF answers 405
        allowed = self.allowed_by_action.get(self.action, self.allowed)
        if principal.scope not in allowed:
            raise Forbidden(_refusal(principal))
        if principal.organization_id is None and not getattr(self, "allows_no_organization", False):
            raise Forbidden("This session has no organization. Create or join one first.")

    def check_throttles(self, request: Request) -> None:
        """Anonymous calls are limited by address; authenticated ones were limited by key while authenticating."""
        if request.user is None or not isinstance(request.user, Principal):
            ratelimit.hit("anonymous", client_address(request), settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE)


def _refusal(principal: Principal) -> str:
    if principal.scope is Scope.UNCLAIMED:
        return "This agent is not claimed yet. Verify it with the code its human received, then try again."
    if principal.scope is Scope.AGENT:
        return "An agent key may not do this. Use an admin key of the organization."
    return "This credential may not do this."
