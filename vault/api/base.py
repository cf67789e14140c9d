"""What the vault's views have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from common.api.viewsets import ApiViewSet
from common.principal import Scope

MANAGERS = frozenset({Scope.ADMIN, Scope.SESSION})


class VaultApiViewSet(ApiViewSet):
    """Closed to agents that nobody vouches for; no answer is kept by anything between server and client."""

    allowed: ClassVar[Any] = frozenset({Scope.ADMIN, Scope.AGENT, Scope.SESSION})

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)
