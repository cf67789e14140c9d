"""Rate limits by the `limits` library: in memory in the embedded profile, in Redis in the distributed one."""

from __future__ import annotations

import math
import time
from functools import lru_cache

from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from common.errors import RateLimited

Limiter = SlidingWindowCounterRateLimiter | MovingWindowRateLimiter


@lru_cache(maxsize=2)
def _limiter(url: str) -> Limiter:
    return SlidingWindowCounterRateLimiter(
        storage_from_string(url or "memory://", key_prefix=settings.RATE_LIMIT_KEY_PREFIX)
    )


@lru_cache(maxsize=64)
def _per_minute(amount: int) -> RateLimitItem:
    return RateLimitItemPerMinute(amount)


@lru_cache(maxsize=64)
def _per_hour(amount: int) -> RateLimitItem:
    return RateLimitItemPerHour(amount)


def hit(bucket: str, subject: str, per_minute: int) -> None:
    """Count one event of `subject`. Raises RateLimited past `per_minute`; 0 means no limit."""
    if per_minute > 0:
        _count(_per_minute(per_minute), bucket, subject, f"More than {per_minute} requests a minute.")


def hit_hourly(bucket: str, subject: str, per_hour: int) -> None:
    """Count one event of `subject`. Raises RateLimited past `per_hour`; 0 means no limit."""
    if per_hour > 0:
        _count(_per_hour(per_hour), bucket, subject, f"More than {per_hour} of these an hour.")


def refuse_spent(bucket: str, subject: str, per_minute: int) -> None:
    """Raise RateLimited when `subject` has used up its `per_minute`; counts nothing."""
    item = _per_minute(per_minute)
    if not _limiter(settings.REDIS_URL).test(item, bucket, subject):
        raise _refusal(item, bucket, subject, f"More than {per_minute} failed attempts a minute.")


def spend(bucket: str, subject: str, per_minute: int) -> None:
    """Count one event of `subject` for `refuse_spent`; never refuses."""
    _limiter(settings.REDIS_URL).hit(_per_minute(per_minute), bucket, subject)


def _count(item: RateLimitItem, bucket: str, subject: str, refusal: str) -> None:
    if not _limiter(settings.REDIS_URL).hit(item, bucket, subject):
        raise _refusal(item, bucket, subject, refusal)


def _refusal(item: RateLimitItem, bucket: str, subject: str, reason: str) -> RateLimited:
    reset_at = _limiter(settings.REDIS_URL).get_window_stats(item, bucket, subject).reset_time
    wait = max(1, math.ceil(reset_at - time.time()))
    return RateLimited(f"{reason} Wait {wait} seconds.", retry_after=wait)


def forget_all() -> None:
    """Start counting anew (tests)."""
    _limiter.cache_clear()
