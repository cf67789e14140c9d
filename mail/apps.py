"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Mail."""

    name = "mail"
    verbose_name = "Mail"
