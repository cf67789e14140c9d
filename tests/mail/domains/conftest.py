"""Every test here has an empty internet of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.factories.dns import FakeDns


@pytest.fixture(autouse=True)
def internet(settings: object) -> Iterator[type[FakeDns]]:
    """Fake DNS, and a server name that could be public."""
    settings.DNS_CLIENT = "tests.factories.dns.FakeDns"  # type: ignore[attr-defined]
    settings.SMTP_HOSTNAME = "mx.server.example"  # type: ignore[attr-defined]
    FakeDns.clear()
    FakeDns.publish("mx.server.example", "A", "203.0.113.7")
    yield FakeDns
    FakeDns.clear()
