"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ContactsConfig(AppConfig):
    """Contacts."""

    name = "contacts"
    verbose_name = "Contacts"

    def ready(self) -> None:
        """Register the system checks."""
        from contacts import checks  # noqa: F401  (importing registers; only now are all apps loaded)
