"""What a request carries besides its body: compatibility profile, announced client, address, notices."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from common.principal import Profile

_SDK = re.compile(r"\binkbox-(?:python|typescript|rust)/(\d+)\.(\d+)\.(\d+)")
SEED_PREFIX = "/compat/0.3"


@dataclass(frozen=True, slots=True)
class Notice:
    """Advice to the caller that rides on a response (contract README section 7, response notices)."""

    code: str
    level: str
    message: str


def announced_sdk(request: Any) -> tuple[int, int, int] | None:
    """The client version from the User-Agent; only 0.4.17 and later send one."""
    match = _SDK.search(request.META.get("HTTP_USER_AGENT", ""))
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def request_profile(request: Any, organization_profile: str | None) -> Profile:
    """Mount prefix, then announced client, then the organization's setting, then modern (contract README section 3)."""
    plain = getattr(request, "_request", request)
    if getattr(plain, "is_seed_mount", False):
        return Profile.SEED
    if announced_sdk(plain) is not None:
        return Profile.MODERN
    return Profile.SEED if organization_profile == Profile.SEED else Profile.MODERN


def client_address(request: Any) -> str:
    """The peer's IP address; behind a trusted proxy, the last address the proxy added."""
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if len(hops) >= settings.TRUSTED_PROXIES:
            return str(hops[-settings.TRUSTED_PROXIES])
    return str(request.META.get("REMOTE_ADDR", ""))


def add_notice(request: Any, notice: Notice) -> None:
    """Attach a notice to the response of this request."""
    plain = getattr(request, "_request", request)
    notices = getattr(plain, "inkbox_notices", None)
    if notices is None:
        notices = plain.inkbox_notices = []
    if notice not in notices:
        notices.append(notice)


def write_notices(request: HttpRequest, response: HttpResponse) -> None:
    """Render the collected notices as the `Inkbox-Notices` header (ASCII JSON)."""
    notices: list[Notice] | None = getattr(request, "inkbox_notices", None)
    if notices:
        rows = [{"code": n.code, "level": n.level, "message": n.message} for n in notices]
        response["Inkbox-Notices"] = json.dumps(rows, separators=(",", ":"))
