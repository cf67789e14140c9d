"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """Notes."""

    name = "notes"
    verbose_name = "Notes"
