"""Django app configuration: this package is an app for the sake of its management commands and system checks."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Wiring."""

    name = "inkbox_site"
    verbose_name = "Server"

    def ready(self) -> None:
        """Register the system checks."""
        # Importing registers them; only now are all apps loaded.
        from inkbox_site import checks  # noqa: F401
