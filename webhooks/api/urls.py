"""Routes of this app. Without trailing slash: the middleware strips it, so both spellings arrive here."""

from __future__ import annotations

from django.urls import URLPattern, path

from webhooks.api.events import EventStreamViewSet, EventViewSet
from webhooks.api.viewsets import CatalogViewSet, DeliveryViewSet, SubscriptionViewSet

_BASE = "api/v1/webhooks"

urlpatterns: list[URLPattern] = [
    path(f"{_BASE}/subscriptions", SubscriptionViewSet.as_view({"get": "list", "post": "create"})),
    path(
        f"{_BASE}/subscriptions/<str:subscription_id>",
        SubscriptionViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(f"{_BASE}/subscriptions/<str:subscription_id>/test", SubscriptionViewSet.as_view({"post": "test"})),
    path(f"{_BASE}/subscriptions/<str:subscription_id>/redeliver", SubscriptionViewSet.as_view({"post": "redeliver"})),
    path(f"{_BASE}/catalog", CatalogViewSet.as_view({"get": "retrieve"})),
    path(f"{_BASE}/deliveries", DeliveryViewSet.as_view({"get": "list"})),
    path(f"{_BASE}/deliveries/<str:delivery_id>/replay", DeliveryViewSet.as_view({"post": "replay"})),
    path("api/v1/events", EventViewSet.as_view({"get": "list"})),
    path("api/v1/events/stream", EventStreamViewSet.as_view({"get": "list"})),
]
