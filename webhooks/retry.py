"""When a delivery is tried again (contract webhooks.md 4.3). Pure: outcome, tries and chance in, decision out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks.enums import DispatchState

# The wait after the first, second, ... failed try; after the last one the delivery is given up.
SCHEDULE = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
RETRIED_STATUSES = frozenset({408, 429})
# Waits grow by up to this share, so that receivers which failed together are not called together.
JITTER = 0.1
MAX_RETRY_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state, and when to try again while that is `pending`."""

    state: DispatchState
    at: datetime | None = None


def is_success(status: int | None) -> bool:
    """2xx; no status means that no answer came."""
    return status is not None and 200 <= status <= 299


def is_retried(status: int | None) -> bool:
    """No answer, 408, 429 and 5xx may pass; any other answer is the receiver's last word (410 above all)."""
    return status is None or status in RETRIED_STATUSES or status >= 500


def decide(
    *, status: int | None, tries: int, at: datetime, retry_after: timedelta | None = None, chance: float = 0.0
) -> Decision:
    """What follows the `tries`-th try, which ended `at`. `chance` in [0, 1) spreads the wait.

    `retry_after` can lengthen a wait, up to a day, never shorten it.
    """
    if is_success(status):
        return Decision(DispatchState.SUCCEEDED)
    if not is_retried(status) or tries > len(SCHEDULE):
        return Decision(DispatchState.FAILED)
    wait = SCHEDULE[tries - 1] * (1 + JITTER * chance)
    if retry_after is not None:
        wait = max(wait, min(retry_after, MAX_RETRY_AFTER))
    return Decision(DispatchState.PENDING, at + wait)


def parse_retry_after(value: str | None, at: datetime) -> timedelta | None:
    """`Retry-After` as seconds or HTTP-date (RFC 9110 section 10.2.3); None for anything else."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), int(MAX_RETRY_AFTER.total_seconds())))
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(moment - at, timedelta(0))
