"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The console."""

    name = "console"
    verbose_name = "Console"
