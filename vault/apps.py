"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Vault."""

    name = "vault"
    verbose_name = "Vault"
