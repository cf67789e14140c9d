"""Spans of time in templates."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template import engines

from common.clock import now


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=-5), "a moment"),
        (timedelta(seconds=50), "a moment"),
        (timedelta(seconds=70), "1\N{NO-BREAK SPACE}minute"),
        (timedelta(hours=3, minutes=20), "3\N{NO-BREAK SPACE}hours"),
        (timedelta(days=9), "1\N{NO-BREAK SPACE}week"),
    ],
)
def test_time_since(ago: timedelta, said: str) -> None:
    assert engines["django"].from_string("{{ then|timesince }} ago").render({"then": now() - ago}) == f"{said} ago"


def test_no_time() -> None:
    assert engines["django"].from_string("{{ then|timesince }}").render({"then": None}) == ""
