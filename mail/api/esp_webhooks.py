"""Where email service providers send events: anymail's views, behind a secret in the path.

The addresses are `/webhooks/mail/<secret>/<esp>/tracking` and `.../inbound`, with the names of anymail's own URLs.
Signatures and the like that a provider offers are checked by anymail on top, when they are configured.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import requests
import structlog
from anymail.exceptions import AnymailError
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from mail import limits

log = structlog.get_logger(__name__)


class _Silent:
    """False, whatever the constructor of a view writes into it."""

    def __get__(self, _view: object, _owner: type | None = None) -> bool:
        return False

    def __set__(self, _view: object, _value: bool) -> None: ...


class _Impatient:
    """What anymail's views use of `requests`, with a time limit: a silent provider must not hold a web thread."""

    @staticmethod
    def get(url: str, **options: Any) -> requests.Response:
        """Raises requests.Timeout, which has the provider repeat its event."""
        return requests.get(url, timeout=limits.PROVIDER_FETCH_TIMEOUTS, **options)


@lru_cache(maxsize=64)
def _view(kind: type[View]) -> Callable[[HttpRequest], HttpResponse]:
    """A view that does not warn about missing basic authentication: the secret in the path has its part.

    (When ANYMAIL_WEBHOOK_SECRET is set, both are demanded.) Its module still tells the provider.
    """
    module = sys.modules[kind.__module__]
    if getattr(module, "requests", None) is requests:
        # Brevo, Mailtrap and Resend only announce mail; their views fetch it, without a limit of their own.
        module.requests = _Impatient  # type: ignore[attr-defined]
    quiet: Any = type(kind.__name__, (kind,), {"warn_if_no_basic_auth": _Silent(), "__module__": kind.__module__})
    view: Callable[[HttpRequest], HttpResponse] = quiet.as_view()
    return view


@csrf_exempt
def esp_webhook(request: HttpRequest, secret: str, rest: str) -> HttpResponse:
    """One call of a provider. A wrong secret looks like a path that does not exist."""
    if not settings.MAIL_WEBHOOK_SECRET or not constant_time_compare(secret, settings.MAIL_WEBHOOK_SECRET):
        raise Http404
    try:
        match = resolve(f"/{rest.strip('/')}/", urlconf="anymail.urls")
    except Resolver404:
        raise Http404 from None
    try:
        return _view(match.func.view_class)(request)  # type: ignore[attr-defined]
    except (AnymailError, KeyError, TypeError, ValueError) as error:
        # A wrong signature, or not what the provider documents; repeating it would not help.
        log.warning("mail.provider_webhook_refused", webhook=rest[:60], error=type(error).__name__)
        return HttpResponse("The event could not be read.", status=400, content_type="text/plain")
    except Exception:
        # The provider tries again. Django would log the path of this answer, and the secret with it.
        log.exception("mail.provider_webhook_failed", webhook=rest[:60])
        response = HttpResponse("Try again later.", status=503, content_type="text/plain")
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
