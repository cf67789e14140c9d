"""The vault's API for the page that decrypts: the same views, called by the person who looks at the page.

The page speaks JSON like every client, but has a session and a CSRF token instead of a key. Who may do what, what is
written into the audit log and how often one may be wrong is therefore the same at both doors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from common import ratelimit
from common.principal import Principal
from console.principals import console_page
from vault.api.base import VaultApiViewSet
from vault.api.secrets import VaultAccessViewSet, VaultSecretViewSet
from vault.api.viewsets import VaultKeyViewSet, VaultViewSet

PREFIX = "vault/api"
_SECRET = f"{PREFIX}/secrets/<str:secret_id>"


class ViewerAuthentication(BaseAuthentication):
    """The principal that `console_page` found. Keys and tokens are not looked at."""

    def authenticate(self, request: Request) -> tuple[Principal, None]:
        viewer = request._request.viewer  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(caller=viewer.user.pk)
        ratelimit.hit("caller", viewer.user.pk, settings.RATE_LIMIT_KEY_PER_MINUTE)
        return viewer.principal, None


def _for_viewer(views: type[VaultApiViewSet], **actions: Any) -> Callable[..., HttpResponse]:
    """The view as a page. A plain function: the framework's own would be exempt from the check for CSRF, and part of
    the description of the API.
    """
    view = views.as_view(actions, authentication_classes=[ViewerAuthentication])

    def answer(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = view(request, *args, **kwargs)
        return response

    return console_page(answer)


urlpatterns: list[URLPattern] = [
    path(PREFIX, _for_viewer(VaultViewSet, delete="destroy"), name="vault_delete"),
    path(f"{PREFIX}/info", _for_viewer(VaultViewSet, get="info"), name="vault_info"),
    path(f"{PREFIX}/initialize", _for_viewer(VaultViewSet, post="initialize"), name="vault_initialize"),
    path(f"{PREFIX}/unlock", _for_viewer(VaultViewSet, get="unlock"), name="vault_unlock"),
    path(f"{PREFIX}/keys", _for_viewer(VaultKeyViewSet, get="list"), name="vault_keys"),
    path(f"{PREFIX}/keys/primary", _for_viewer(VaultKeyViewSet, put="change_primary"), name="vault_change_key"),
    path(f"{PREFIX}/secrets", _for_viewer(VaultSecretViewSet, get="list", post="create"), name="vault_secrets"),
    path(
        _SECRET,
        _for_viewer(VaultSecretViewSet, get="retrieve", patch="partial_update", delete="destroy"),
        name="vault_secret",
    ),
    path(f"{_SECRET}/access", _for_viewer(VaultAccessViewSet, get="list", post="create"), name="vault_access"),
    path(f"{_SECRET}/access/<str:identity_id>", _for_viewer(VaultAccessViewSet, delete="destroy"), name="vault_revoke"),
]
