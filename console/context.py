"""What every page of the console shows: navigation, the organization, what waits for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from console.live import LivePosition
from console.principals import Viewer
from mail.approval_selectors import count_waiting
from signup.models import Signup


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """One entry of the main navigation; `shortcut` is the key after g, `pages` are the names of its pages."""

    name: str
    label: str
    icon: str
    shortcut: str
    pages: tuple[str, ...] = ()


_OF_AGENTS = (
    *("agent", "new_agent", "mail", "thread", "compose", "drafts", "draft"),
    *(
        "agent_about",
        "delete_agent",
        "agent_rules",
        "agent_filter_modes",
        "agent_limits",
        "agent_approval",
        "agent_keys",
    ),
    *("agent_webhooks", "new_webhook", "agent_secrets", "agent_book"),
)
_OF_CONTACTS = (
    "contact",
    "contact_mail",
    "new_contact",
    "edit_contact",
    "import_contacts",
    "merge_contacts",
    "add_fact",
)
_OF_WEBHOOKS = ("webhook", "edit_webhook", "redeliver", "deliveries", "delivery")
NAVIGATION = (
    NavigationItem("overview", "Overview", "home", "o"),
    NavigationItem("agents", "Agents", "agents", "a", _OF_AGENTS),
    NavigationItem("approvals", "Approvals", "approvals", "p", ("approval", "edit_approval", "reject_approval")),
    NavigationItem("claims", "Claims", "claims", "c"),
    NavigationItem("contacts", "Contacts", "contacts", "e", _OF_CONTACTS),
    NavigationItem("notes", "Notes", "note", "n", ("note", "new_note", "edit_note")),
    NavigationItem("webhooks", "Webhooks", "webhook", "w", _OF_WEBHOOKS),
    NavigationItem("domains", "Domains", "globe", "d", ("domain", "organization_domains", "organization_domain")),
    NavigationItem("vault", "Vault", "vault", "v"),
    NavigationItem("keys", "API keys", "key", "k"),
    NavigationItem("outbox", "Outbox", "outbox", "b", ("outbox_mail",)),
    NavigationItem("team", "Team", "people", "t"),
    NavigationItem("audit", "Audit log", "log", "l"),
    NavigationItem("settings", "Settings", "settings", "s", ("delete_organization",)),
)


def console(request: HttpRequest) -> dict[str, Any]:
    """Template context; empty for pages that are not the console's."""
    viewer: Viewer | None = getattr(request, "viewer", None)
    if viewer is None:
        return {"public_url": settings.PUBLIC_URL}
    # As old as the rest of a live page, so that its stream tells what has changed since.
    live: LivePosition | None = getattr(request, "live", None)
    return {
        "viewer": viewer,
        "live": live,
        "navigation": _navigation(),
        "section": _section(request),
        "waiting_approvals": live.waiting.count if live is not None else count_waiting(viewer.principal),
        "waiting_claims": Signup.objects.waiting_for(viewer.user).count(),
        "public_url": settings.PUBLIC_URL,
    }


def _navigation() -> list[NavigationItem]:
    """The outbox only where mail stays in it."""
    has_outbox = settings.MAIL_TRANSPORT.strip() == "sandbox"
    return [item for item in NAVIGATION if item.name != "outbox" or has_outbox]


def _section(request: HttpRequest) -> str:
    """Which entry of the navigation the page belongs to."""
    page = request.resolver_match.url_name if request.resolver_match is not None else None
    return next((item.name for item in NAVIGATION if page == item.name or page in item.pages), "")
