"""What the side of the admin offers beside the lists of rows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

PERMISSION = "identities.view_organization"
_PAGES = (
    ("Dashboard", "dashboard", "admin:index"),
    ("Usage", "corporate_fare", "operations:organizations"),
    ("Queues", "low_priority", "operations:queues"),
    ("Find", "search", "operations:find"),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The operators' pages, for those who may see them (UNFOLD["SIDEBAR"])."""
    if not request.user.has_perm(PERMISSION):
        return []
    items = [{"title": title, "icon": icon, "link": reverse(name)} for title, icon, name in _PAGES]
    return [{"title": "Operations", "items": items}]
