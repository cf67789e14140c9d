"""Routes of the contract that this release does not serve: they answer 501 and say which part is missing.

The table comes after every real route, so a route that gets built wins without a change here; its row is removed when
the area is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from common.api.errors import error_body


@dataclass(frozen=True, slots=True)
class Area:
    """Part of the contract, by regular expressions of its paths below `/api/v1/` and of those at the root."""

    name: str
    sentence: str
    paths: tuple[str, ...]
    root_paths: tuple[str, ...] = ()


# Groups do not capture: Django would pass what they match to the view.
_HANDLE = r"identities/[^/]+"

AREAS = (
    Area(
        "imessage",
        "iMessage is not part of this release.",
        (r"imessage(?:/.*)?",),
    ),
    Area(
        "a2a",
        "Agent-to-agent messaging is not part of this release.",
        (r"a2a(?:/.*)?", r"identities/a2a/.*", rf"{_HANDLE}/a2a(?:/.*)?"),
        # Cards, the public directory and the JSON-RPC endpoint of each agent.
        root_paths=(r"a2a(?:/.*)?",),
    ),
    Area(
        "slack",
        "Slack is not part of this release.",
        (r"slack(?:/.*)?", rf"{_HANDLE}/slack(?:-contact-rules)?(?:/.*)?"),
    ),
    Area(
        "companion",
        "Companions are not part of this release.",
        (r"companion(?:/.*)?", rf"{_HANDLE}/companion(?:/.*)?"),
    ),
    Area(
        "phone",
        "Phone numbers, texts and calls are not part of this release.",
        (r"phone(?:/.*)?", rf"{_HANDLE}/(?:phone_number|phone-contact-rules)(?:/.*)?"),
    ),
    Area("tunnels", "Tunnels are not part of this release.", (r"tunnels(?:/.*)?",)),
    Area(
        "inboxes",
        "The inbox-style API is not part of this release.",
        (
            r"inboxes(?:/.*)?",
            r"(?:messages|threads|drafts|attachments)/.*",
            r"environments(?:/.*)?",
            r"org/invitations(?:/.*)?",
            r"webhooks(?:/(?!subscriptions|deliveries|catalog)[^/]+)?",
        ),
    ),
)


@csrf_exempt
def not_built(_request: HttpRequest, *, area: Area) -> HttpResponse:
    """501 for any method."""
    detail: dict[str, Any] = {
        "error": "not_implemented",
        "code": "not_implemented",
        "area": area.name,
        "message": f"{area.sentence} See docs/compatibility.md of the server for what it covers.",
    }
    return JsonResponse(error_body(detail), status=501)


urlpatterns: list[URLPattern] = [
    re_path(rf"^{path}$", not_built, {"area": area}, name=f"pending-{area.name}")
    for area in AREAS
    for path in (*(f"api/v1/{path}" for path in area.paths), *area.root_paths)
]
