"""Every test here has an empty internet of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories.dns import FakeDns


@pytest.fixture(autouse=True)
def internet(settings: Any) -> Iterator[type[FakeDns]]:
    """Fake DNS."""
    settings.DNS_CLIENT = "tests.factories.dns.FakeDns"
    FakeDns.clear()
    yield FakeDns
    FakeDns.clear()
