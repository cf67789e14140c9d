"""The OpenAPI description of the API, and pages to read it with."""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularSwaggerView


@lru_cache(maxsize=1)
def document() -> bytes:
    """The description as JSON. It depends on the code only, so it is made once in a process."""
    with GENERATOR_STATS.silence():
        schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return bytes(OpenApiJsonRenderer().render(schema, renderer_context={}))


@require_safe
def openapi(_request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1."""
    return HttpResponse(document(), content_type="application/json")


# The assets come from a package of this server; nothing is loaded from elsewhere.
swagger = SpectacularSwaggerView.as_view(url_name="schema")
