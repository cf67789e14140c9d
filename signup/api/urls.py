"""Routes of this app."""

from __future__ import annotations

from django.urls import URLPattern, path

from signup.api.viewsets import RegisterViewSet, SignupStatusViewSet, SignupViewSet, WaitingViewSet

_BASE = "api/v1/agent-signup"

urlpatterns: list[URLPattern] = [
    path(_BASE, RegisterViewSet.as_view({"post": "create"})),
    path(f"{_BASE}/verify", SignupViewSet.as_view({"post": "verify"})),
    path(f"{_BASE}/resend-verification", SignupViewSet.as_view({"post": "resend"})),
    path(f"{_BASE}/status", SignupStatusViewSet.as_view({"get": "retrieve"})),
    path(f"{_BASE}/pending", WaitingViewSet.as_view({"get": "list"})),
    path(f"{_BASE}/<str:identity_id>/approve", WaitingViewSet.as_view({"post": "approve"})),
    path(f"{_BASE}/<str:identity_id>/reject", WaitingViewSet.as_view({"post": "reject"})),
]
