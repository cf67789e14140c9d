"""Django app configuration: this package is an app for the sake of its management commands."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Wiring."""

    name = "inkbox_site"
    verbose_name = "Server"
