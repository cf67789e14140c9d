"""A picture of the database, to show that a refusal changed nothing."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connection

_APPS = ("identities", "contacts", "tunnels", "mail", "webhooks", "notes", "vault")
# Reading is allowed to leave these behind.
_IGNORED = {"last_used_at"}


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of every app, by model, as it lies in the database.

    Read without models: hundreds of tests take two of these pictures, and compiling a query for every table would cost
    them more than everything else.
    """
    quote = connection.ops.quote_name
    picture = {}
    with connection.cursor() as cursor:
        for label in _APPS:
            for model in apps.get_app_config(label).get_models():
                key = quote(str(model._meta.pk.column))
                cursor.execute(f"SELECT * FROM {quote(model._meta.db_table)} ORDER BY {key}")
                names = [column[0] for column in cursor.description]
                picture[model._meta.label] = [
                    {name: value for name, value in zip(names, row, strict=True) if name not in _IGNORED}
                    for row in cursor.fetchall()
                ]
    return picture
