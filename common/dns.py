"""Questions to DNS. A name that does not exist, one without such records, and a server that fails are told apart:
the first two are facts about the domain, the last is nothing to act upon."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from django.conf import settings
from django.utils.module_loading import import_string

QUESTION_SECONDS = 3.0
# All questions of one check together; the client of an API call waits 30 s.
BUDGET_SECONDS = 12.0
_MAX_VALUES = 100
_MAX_CHARS = 8192
_DEFAULT_PORT = 53


class DnsOutcome(StrEnum):
    """How a question ended."""

    FOUND = "found"
    # The name does not exist (RFC 8020).
    NXDOMAIN = "nxdomain"
    # The name exists without records of this type (RFC 2308 section 2.2).
    NODATA = "nodata"
    # The servers answered that they cannot answer: SERVFAIL, REFUSED, broken delegation or DNSSEC.
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """The values as text: TXT strings joined, MX as `10 host`, names in lower case without the final dot."""

    outcome: DnsOutcome
    values: tuple[str, ...] = ()

    @property
    def is_conclusive(self) -> bool:
        """Whether it says something about the domain, rather than about the servers asked."""
        return self.outcome in (DnsOutcome.FOUND, DnsOutcome.NXDOMAIN, DnsOutcome.NODATA)


class DnsClient(Protocol):
    """What checks ask. Aliases (CNAME) are followed."""

    def lookup(self, name: str, kind: str) -> DnsAnswer:
        """`kind` is TXT, MX, A, AAAA or PTR. Never raises for what DNS may answer."""
        ...


class SystemDns:
    """Asks the servers of INKBOX_DNS_SERVERS, by default those of the machine. One object per check: it remembers
    answers, and after `budget` seconds every question counts as timed out."""

    def __init__(self, budget: float = BUDGET_SECONDS, servers: str | None = None) -> None:
        self._deadline = time.monotonic() + budget
        self._answers: dict[tuple[str, str], DnsAnswer] = {}
        self._resolver = make_resolver(settings.DNS_SERVERS if servers is None else servers)

    def lookup(self, name: str, kind: str) -> DnsAnswer:
        key = (name.lower().rstrip("."), kind)
        if key not in self._answers:
            self._answers[key] = self._ask(*key)
        return self._answers[key]

    def _ask(self, name: str, kind: str) -> DnsAnswer:
        left = min(QUESTION_SECONDS, self._deadline - time.monotonic())
        if left <= 0 or self._resolver is None:
            return DnsAnswer(DnsOutcome.TIMEOUT)
        try:
            question = dns.name.from_text(f"{name}.")
        except (dns.exception.DNSException, UnicodeError):
            return DnsAnswer(DnsOutcome.NXDOMAIN)  # no such name can exist
        try:
            found = self._resolver.resolve(question, kind, lifetime=left, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return DnsAnswer(DnsOutcome.NXDOMAIN)
        except dns.resolver.LifetimeTimeout:
            return DnsAnswer(DnsOutcome.TIMEOUT)
        except (dns.exception.DNSException, OSError):
            return DnsAnswer(DnsOutcome.SERVFAIL)
        values = tuple(_text(record, kind)[:_MAX_CHARS] for record in list(found.rrset or ())[:_MAX_VALUES])
        return DnsAnswer(DnsOutcome.FOUND, values) if values else DnsAnswer(DnsOutcome.NODATA)


def dns_client() -> DnsClient:
    """A client for one check, of the class that `settings.DNS_CLIENT` names."""
    return cast("DnsClient", import_string(settings.DNS_CLIENT)())


def parse_server(text: str) -> tuple[str, int]:
    """`192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:53`. Raises ValueError."""
    host, port = text.strip(), str(_DEFAULT_PORT)
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not 0 < int(port) < 65536:
        raise ValueError(port)
    return str(ipaddress.ip_address(host)), int(port)


def reverse_name(address: str) -> str:
    """The name that has the PTR record of an address."""
    return ipaddress.ip_address(address).reverse_pointer


def make_resolver(servers: str) -> dns.resolver.Resolver | None:
    """A resolver that asks `servers`, or those of the machine; None when it has none at all."""
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration:
        return None
    if servers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(*parse_server(part)) for part in servers.split(",") if part.strip()
        ]
    resolver.use_edns(0, 0, 1232)
    return resolver


def _text(record: Any, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if kind == "MX":
        return f"{record.preference} {_name(record.exchange)}"
    return _name(record.target) if kind == "PTR" else str(record.address)


def _name(name: Any) -> str:
    return str(name).lower().rstrip(".") or "."
