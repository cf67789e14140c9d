"""Bare Django JSON views for comparison, added to the URLs of the server: what Django itself costs on this machine.

`/bare` answers a few bytes, `/bare/<name>` the content of `bare-<name>.json` in the data directory, which a benchmark
put there: the very body of the route it is compared with, as Python data that Django turns into JSON each time.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

from inkbox_site.urls import urlpatterns as server_urls


def small(_request: HttpRequest) -> JsonResponse:
    """The least a view can answer."""
    return JsonResponse({"status": "ok"})


def same_body(_request: HttpRequest, name: str) -> JsonResponse:
    """The body of another route."""
    return JsonResponse(_body(name))


@lru_cache(maxsize=8)
def _body(name: str) -> Any:
    return json.loads((settings.DATA_DIR / f"bare-{name}.json").read_text())


urlpatterns = [path("bare", small), path("bare/<slug:name>", same_body), *server_urls]
