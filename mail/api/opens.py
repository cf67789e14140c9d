"""The image of tracked messages: public, without a credential, never cached (contract mail.md 4.9)."""

from __future__ import annotations

import base64

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from mail.services.opens import record_open
from mail.tracking import read_open_token

# One transparent pixel.
_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_HEADERS = {
    "Cache-Control": "no-store, no-cache, must-revalidate, max-age=0, private",
    "Pragma": "no-cache",
    "Expires": "0",
    # Web mail shows it on pages of another origin.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


@require_safe
def open_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """The same image for every token, so that it tells nothing. Not limited by address: mail proxies share theirs."""
    message_id = read_open_token(token)
    if message_id is not None and request.method == "GET" and not _is_speculative(request):
        record_open(message_id)
    return HttpResponse(_GIF, content_type="image/gif", headers=_HEADERS)


def _is_speculative(request: HttpRequest) -> bool:
    """A load that a program announced as made before anybody looks."""
    values = (request.headers.get(name, "").lower() for name in _PREFETCH_HEADERS)
    return any("prefetch" in value or "preview" in value for value in values)
