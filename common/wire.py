"""How this server writes JSON: UTF-8, timestamps as RFC 3339 with Z, UUIDs as text."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(data: Any) -> bytes:
    """JSON of plain data, dates, UUIDs, `orjson.Fragment`s, and of anything else its `str`."""
    return orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
