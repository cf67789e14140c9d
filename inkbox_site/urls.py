"""URLs of every door that speaks HTTP. Patterns have no trailing slash: the middleware strips it from API paths."""

from __future__ import annotations

from allauth.account.views import password_reset_from_key
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from inkbox_site import fallbacks, health, metrics, pending, schema

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("", include("mail.api.urls")),
    path("", include("identities.api.urls")),
    path("", include("contacts.api.urls")),
    path("", include("webhooks.api.urls")),
    path("", include("vault.api.urls")),
    path("", include("signup.api.urls")),
    path("", include("notes.api.urls")),
    path("", include("signup.urls")),
    path("api/schema", schema.openapi, name="schema"),
    path("api/docs", schema.swagger, name="docs"),
    # Pages may redirect, the API never does (clients do not follow).
    path("", RedirectView.as_view(pattern_name="console:overview"), name="root"),
    path("console/", include("console.urls")),
    # allauth's own pattern of this page has no room for the underscore of our ids.
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>user_[0-9a-f]+)-(?P<key>.+)/$",
        password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("accounts/", include("allauth.urls")),
    path("admin/operations/", include("inkbox_site.operations.urls")),
    path("admin/", admin.site.urls),
    # Last, so that a real route always wins.
    *pending.urlpatterns,
]

handler400 = fallbacks.bad_request
handler403 = fallbacks.forbidden
handler404 = fallbacks.not_found
handler500 = fallbacks.server_error
