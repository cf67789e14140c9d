"""ETag and If-Match of secrets (RFC 9110 sections 8.8.3 and 13.1.1): the revision, in quotes."""

from __future__ import annotations

import re
from typing import Any

from rest_framework.request import Request

from common.errors import Invalid

_TAGS = re.compile(r'"(\d{1,9})"(?:\s*,\s*"\d{1,9}")*')
_TAG = re.compile(r'"(\d{1,9})"')


def expected_revisions(request: Request) -> frozenset[int] | None:
    """The revisions that the caller accepts; None when it accepts any. Raises Invalid 422."""
    text = request.headers.get("If-Match", "").strip()
    if text in ("", "*"):
        return None
    if not _TAGS.fullmatch(text):
        raise Invalid('If-Match takes the ETag of a secret, such as "3".', loc=("header", "If-Match"))
    return frozenset(int(tag) for tag in _TAG.findall(text))


def etag(secret: dict[str, Any]) -> dict[str, str]:
    """The header of a response that shows one secret."""
    return {"ETag": f'"{secret["revision"]}"'}
