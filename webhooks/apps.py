"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Webhooks and events."""

    name = "webhooks"
    verbose_name = "Webhooks and events"
