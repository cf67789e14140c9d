"""Pages that follow what happens: who may, and from where in the organization's log.

A page says the position that it shows, and what it shows of held mail, of which no event speaks; so nothing is missed
between the page and its stream (webhooks/live/pages.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.cookie import parse_cookie

from common.errors import Forbidden, Unauthenticated
from console import limits
from console.principals import find_viewer
from identities.models import User
from mail.approval_selectors import WaitingMark, mark_waiting
from webhooks.api.events import Opened
from webhooks.limits import EVENTS_MAX_LIMIT
from webhooks.live.pages import PageStream
from webhooks.reading import event_scope, latest_position

PATH = "/console/live"


@dataclass(frozen=True, slots=True)
class LivePosition:
    """What a page shows at least: the position in the log, and the held mail."""

    after: int
    waiting: WaitingMark


def go_live(request: Any) -> None:
    """Let the page follow what happens. Before the view reads anything: what happens from here on, the stream tells.

    Two queries, one of which finds the count in the navigation (console/context.py), which is made anyway.
    """
    scope = event_scope(request.viewer.principal, None, ())
    request.live = LivePosition(latest_position(scope), mark_waiting(scope.organization_id))


def open_page_stream(request: HttpRequest) -> Opened:
    """The log of the organization that the page shows, for a member who is signed in.

    Raises Unauthenticated 401, Forbidden 403. Four queries.
    """
    request.COOKIES = parse_cookie(request.META.get("HTTP_COOKIE", ""))
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.user = get_user(request)
    if not isinstance(request.user, User):
        raise Unauthenticated("Sign in to the console.")
    viewer = find_viewer(request)
    if viewer is None or viewer.organization.pk != request.GET.get("organization"):
        # Somebody who left it, or who looks at another one in another tab since.
        raise Forbidden("The console does not show this organization to you now. Load the page again.")
    scope = event_scope(viewer.principal, None, ())
    latest = latest_position(scope)
    wanted = request.META.get("HTTP_LAST_EVENT_ID") or request.GET.get("after", "")
    after = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) <= len(str(latest)) else latest
    return Opened(scope, min(after, latest), EVENTS_MAX_LIMIT, 0, f"page:{viewer.user.pk}")


def read_mark(organization_id: str) -> str:
    """Of the mail that waits for approval. One query."""
    return str(mark_waiting(organization_id))


PAGE_STREAMS = {PATH: PageStream(open_page_stream, read_mark, limits.LIVE_TABS_PER_PERSON)}
