"""A picture of the database, to show that a refusal changed nothing."""

from __future__ import annotations

from typing import Any

from django.apps import apps

_APPS = ("identities", "contacts", "tunnels", "mail", "webhooks")
# Reading is allowed to leave these behind.
_IGNORED = {"last_used_at"}


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of every app, by model."""
    picture = {}
    for label in _APPS:
        for model in apps.get_app_config(label).get_models():
            rows = model._default_manager.order_by("pk").values()
            picture[model._meta.label] = [
                {name: value for name, value in row.items() if name not in _IGNORED} for row in rows
            ]
    return picture
