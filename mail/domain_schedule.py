"""When a sending domain is looked at again. Pure.

Somebody who has just published records waits for the answer; later it is a matter of hours. A sixth of the time that
has passed already keeps both true: after a minute the next look is in half a minute, after six hours in an hour.
"""

from __future__ import annotations

from datetime import timedelta

from mail.domain_states import UNVERIFIED, DomainStatus

_SHORTEST = timedelta(seconds=30)
_LONGEST_WAITING = timedelta(hours=1)
_CONFIRM = timedelta(minutes=10)
_ROTATING = timedelta(minutes=10)
_DEGRADED = timedelta(minutes=30)
_HEALTHY = timedelta(hours=6)


def check_delay(status: DomainStatus, waiting: timedelta, failed_checks: int) -> timedelta:
    """How long to wait. `waiting` is the time since registration; `failed_checks` counts those in a row."""
    if status in UNVERIFIED:
        return min(max(waiting / 6, _SHORTEST), _LONGEST_WAITING)
    if status is DomainStatus.DEGRADED:
        return _DEGRADED
    if failed_checks:
        return _CONFIRM
    return _ROTATING if status is DomainStatus.PENDING_DKIM_ROTATION else _HEALTHY
