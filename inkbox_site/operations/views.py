"""The pages themselves, behind the sign-in of Django admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from common.clock import now
from inkbox_site import queues
from inkbox_site.health import MAX_QUEUE_AGE_SECONDS
from inkbox_site.operations.lookup import find
from inkbox_site.operations.menu import PERMISSION
from inkbox_site.operations.usage import Usage, find_organizations, totals, usage_of

ORGANIZATIONS_PER_PAGE = 50
_NEWEST = 10
_USAGE_HEADERS = ["Organization", "Agents", "Received", "Sent", "Storage", "Last activity", "State"]


def _page(view: Callable[[HttpRequest], HttpResponse]) -> Callable[..., Any]:
    """For operators who may look at organizations."""
    return require_safe(permission_required(PERMISSION, raise_exception=True)(view))


def add_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page of the admin shows (UNFOLD["DASHBOARD_CALLBACK"]); nothing for others than operators."""
    if not request.user.has_perm(PERMISSION):
        return context
    newest = usage_of(list(find_organizations("")[:_NEWEST]))
    return context | {"totals": totals(), "queues": _queue_table(), "usage": _usage_table(newest)}


@_page
def organizations(request: HttpRequest) -> HttpResponse:
    """Usage of every organization."""
    query = request.GET.get("q", "").replace("\x00", "").strip()
    is_suspended = request.GET.get("suspended") == "1"
    rows = find_organizations(query, is_suspended=is_suspended)
    page = Paginator(rows, ORGANIZATIONS_PER_PAGE).get_page(request.GET.get("page"))
    return _render(
        request,
        "organizations",
        "Organizations and what they use",
        {
            "page": page,
            "query": query,
            "is_suspended": is_suspended,
            "usage": _usage_table(usage_of(list(page.object_list))),
        },
    )


@_page
def queue_health(request: HttpRequest) -> HttpResponse:
    """Every queue: how much is due, and since when."""
    return _render(request, "queues", "Queues", {"queues": _queue_table(), "max_age": MAX_QUEUE_AGE_SECONDS})


@_page
def look_up(request: HttpRequest) -> HttpResponse:
    """What became of something, by its id, name or address."""
    query = request.GET.get("q", "").strip()
    return _render(request, "find", "Find", {"query": query, "found": find(query)})


def _render(request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> HttpResponse:
    shared = admin.site.each_context(request)
    return render(request, f"admin/operations/{name}.html", {**shared, "title": title, **context})


def _usage_table(rows: list[Usage]) -> dict[str, Any]:
    return {"headers": _USAGE_HEADERS, "rows": [_usage_row(row) for row in rows]}


def _usage_row(row: Usage) -> list[Any]:
    of = row.organization
    return [
        _link(reverse("admin:identities_organization_change", args=[of.pk]), of.name),
        row.agents,
        row.received,
        row.sent,
        filesizeformat(row.storage_bytes),
        f"{row.active_at:%Y-%m-%d %H:%M} UTC" if row.active_at else "none yet",
        "suspended" if of.is_suspended else "active",
    ]


def _queue_table() -> dict[str, Any]:
    rows = []
    for state in queues.states():
        title = _link(reverse(state.admin_page), state.title) if state.admin_page else state.title
        rows.append([title, state.depth, _age(state.oldest_at), _verdict(state)])
    return {"headers": ["Queue", "Due rows", "Longest waiting", "State"], "rows": rows}


def _age(since: datetime | None) -> str:
    seconds = round((now() - since).total_seconds()) if since is not None else 0
    if seconds <= 0:
        return "nothing waits"
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{seconds // 60} minutes" if seconds < 7200 else f"{seconds // 3600} hours"


def _verdict(state: queues.QueueState) -> str:
    if not state.is_watched:
        return "works in the background"
    seconds = (now() - state.oldest_at).total_seconds() if state.oldest_at is not None else 0
    return "ok" if seconds < MAX_QUEUE_AGE_SECONDS else "no worker works"


def _link(target: str, text: str) -> str:
    classes = "font-medium underline text-primary-700 dark:text-primary-400"
    return format_html('<a class="{}" href="{}">{}</a>', classes, target, text)
