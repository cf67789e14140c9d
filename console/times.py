"""Spans of time as people say them.

A built-in of all templates (`TEMPLATES` in the settings): its `timesince` takes the place of Django's, which says
"0 minutes" of what has just happened, and "1 week, 2 days" where a list has room for "1 week".
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django import template
from django.utils import timesince as spans

from common.clock import now

register = template.Library()
_A_MOMENT = timedelta(minutes=1)


@register.filter
def timesince(value: date | datetime | None) -> str:
    """How long ago `value` was, in its largest unit; empty for none."""
    if not value:
        return ""
    if isinstance(value, datetime) and now() - value < _A_MOMENT:
        return "a moment"
    return spans.timesince(value, depth=1)
