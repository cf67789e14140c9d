"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class IdentitiesConfig(AppConfig):
    """Organizations and identities."""

    name = "identities"
    verbose_name = "Organizations and identities"
