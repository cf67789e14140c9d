"""Pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from signup.views import claim

urlpatterns: list[URLPattern] = [path("claim/<str:token>", claim, name="claim")]
