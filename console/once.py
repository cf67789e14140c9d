"""Secrets that are shown exactly once.

A form that makes one redirects like every other, so that reloading the page makes no second one. The secret travels in
the session, sealed and for a few minutes, and leaves it with the first page that shows it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from django.http import HttpRequest

from common.clock import now
from common.sealed import seal, unseal

_SESSION_KEY = "shown_once"
_PURPOSE = "console-shown-once"
_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Secret:
    """What is shown: a name for people, and the text itself."""

    title: str
    text: str


def keep_secret(request: HttpRequest, place: str, secret: Secret) -> None:
    """For the next look at `place`, which names the page and the row that the secret belongs to."""
    moment = now().timestamp()
    kept: dict[str, Any] = request.session.get(_SESSION_KEY, {})
    kept = {name: entry for name, entry in kept.items() if entry["until"] > moment}
    sealed = b64encode(seal(_PURPOSE, secret.text.encode())).decode()
    kept[place] = {"title": secret.title, "sealed": sealed, "until": moment + _SECONDS}
    request.session[_SESSION_KEY] = kept


def take_secret(request: HttpRequest, place: str) -> Secret | None:
    """The secret that waits for this place, which is gone with this call. A HEAD shows nothing, so it takes nothing."""
    kept: dict[str, Any] = request.session.get(_SESSION_KEY, {})
    if request.method != "GET" or place not in kept:
        return None
    entry = kept.pop(place)
    request.session[_SESSION_KEY] = kept
    # Before the page is sent: a request that fails later must not leave the secret for a second look.
    request.session.save()
    if entry["until"] <= now().timestamp():
        return None
    try:
        return Secret(entry["title"], unseal(_PURPOSE, b64decode(entry["sealed"])).decode())
    except InvalidTag:
        return None  # the server's key changed meanwhile
