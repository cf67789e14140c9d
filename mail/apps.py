"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Mail."""

    name = "mail"
    verbose_name = "Mail"

    def ready(self) -> None:
        """Register the system checks, and listen to anymail's webhook views."""
        from mail import receivers  # noqa: F401  (needs the models)
        from mail.trust import config  # noqa: F401  (importing registers; only now are all apps loaded)
