"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class TunnelsConfig(AppConfig):
    """Tunnels."""

    name = "tunnels"
    verbose_name = "Tunnels"
