"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ContactsConfig(AppConfig):
    """Contacts."""

    name = "contacts"
    verbose_name = "Contacts"
