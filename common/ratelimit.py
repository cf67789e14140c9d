"""Rate limits by the `limits` library: in memory in the embedded profile, in Redis in the distributed one."""

from __future__ import annotations

import math
import time
from functools import lru_cache

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from common.errors import RateLimited

Limiter = SlidingWindowCounterRateLimiter | MovingWindowRateLimiter


@lru_cache(maxsize=2)
def _limiter(url: str) -> Limiter:
    return SlidingWindowCounterRateLimiter(storage_from_string(url or "memory://"))


@lru_cache(maxsize=64)
def _per_minute(amount: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(amount)


def hit(bucket: str, subject: str, per_minute: int) -> None:
    """Count one event of `subject`. Raises RateLimited past `per_minute`; 0 means no limit."""
    if per_minute <= 0:
        return
    item = _per_minute(per_minute)
    limiter = _limiter(settings.REDIS_URL)
    if not limiter.hit(item, bucket, subject):
        reset_at = limiter.get_window_stats(item, bucket, subject).reset_time
        wait = max(1, math.ceil(reset_at - time.time()))
        raise RateLimited(f"More than {per_minute} requests a minute. Wait {wait} seconds.", retry_after=wait)


def forget_all() -> None:
    """Start counting anew (tests)."""
    _limiter.cache_clear()
