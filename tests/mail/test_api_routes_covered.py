"""No mail route without its row in a permission matrix: a new route fails here until somebody says who may call it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.urls import URLPattern, resolve

from mail.api.urls import urlpatterns
from tests.mail import (
    test_api_attachments,
    test_api_imports,
    test_api_permissions,
    test_api_send_lookup,
    test_esp_webhooks,
    test_suppressions,
    test_tracking,
)
from tests.mail.domains import test_api as test_domains_api

Route = tuple[str, str]

_IMPORTS = "/mail/mailboxes/x@y.example/imports"
# Each row begins with a method and a path below /api/v1.
MATRICES: tuple[Iterable[tuple[Any, ...]], ...] = (
    test_api_permissions.MATRIX.values(),
    test_suppressions.MATRIX.values(),
    test_domains_api.MATRIX.values(),
    ((method, f"{_IMPORTS}{suffix}") for method, suffix, _ in test_api_imports.ROUTES.values()),
)
# Routes whose callers are told apart in a way of their own, with the test that does it.
ELSEWHERE: dict[Route, Callable[..., None]] = {
    # The key that is looked up is in a header.
    ("GET", "api/v1/message-sends/lookup"): test_api_send_lookup.test_who_may_look_up_what,
    # These take no API key: who knows the signed or secret part of the address may call them.
    ("GET", "blobs/<str:token>"): test_api_attachments.test_a_link_cannot_be_changed,
    ("POST", "uploads/<str:token>"): test_api_imports.test_a_forged_address_is_refused,
    ("GET", "i/<str:token>.gif"): test_tracking.test_a_made_up_token_gets_the_image_and_changes_nothing,
    (
        "POST",
        "webhooks/mail/<str:secret>/<path:rest>",
    ): test_esp_webhooks.test_a_wrong_secret_or_an_unknown_path_does_not_exist,
}
_PUBLIC_METHODS = {"open_pixel": ("GET",), "esp_webhook": ("POST",)}


def _served(pattern: URLPattern) -> set[Route]:
    view: Any = pattern.callback
    methods = _PUBLIC_METHODS.get(view.__name__) or view.actions
    # The first call of a view adds HEAD, which is GET without a body.
    return {(method.upper(), str(pattern.pattern)) for method in methods if method != "head"}


def _named(method: str, path: str) -> Route:
    """The route that a row of a matrix asks for."""
    bare = re.sub(r"\{\w+\}", "1", path.partition("?")[0]).rstrip("/")
    return method, resolve(f"/api/v1{bare}").route


def test_every_route_says_who_may_call_it() -> None:
    served = {route for pattern in urlpatterns for route in _served(pattern)}
    rows = {_named(row[0], row[1]) for matrix in MATRICES for row in matrix}

    assert served - rows - set(ELSEWHERE) == set()
    # A row that stands for no route any more tests nothing.
    assert (rows | set(ELSEWHERE)) - served == set()
