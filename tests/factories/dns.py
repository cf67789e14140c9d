"""DNS without a network: zones in memory, and a switch for servers that do not answer."""

from __future__ import annotations

from typing import ClassVar

from common.dns import DnsAnswer, DnsOutcome


class FakeDns:
    """Set as `settings.DNS_CLIENT`. `zone` maps (name, type) to values; `broken` maps a name to its failure."""

    zone: ClassVar[dict[tuple[str, str], list[str]]] = {}
    broken: ClassVar[dict[str, DnsOutcome]] = {}
    asked: ClassVar[list[tuple[str, str]]] = []

    def lookup(self, name: str, kind: str) -> DnsAnswer:
        name = name.lower().rstrip(".")
        self.asked.append((name, kind))
        if name in self.broken:
            return DnsAnswer(self.broken[name])
        if values := self.zone.get((name, kind)):
            return DnsAnswer(DnsOutcome.FOUND, tuple(values))
        exists = any(known == name or known.endswith(f".{name}") for known, _ in self.zone)
        return DnsAnswer(DnsOutcome.NODATA if exists else DnsOutcome.NXDOMAIN)

    @classmethod
    def clear(cls) -> None:
        """An empty internet."""
        cls.zone.clear()
        cls.broken.clear()
        cls.asked.clear()

    @classmethod
    def publish(cls, name: str, kind: str, *values: str) -> None:
        """Replace the records of one name and type."""
        cls.zone[name, kind] = list(values)

    @classmethod
    def withdraw(cls, name: str, kind: str) -> None:
        """Remove them."""
        cls.zone.pop((name, kind), None)
