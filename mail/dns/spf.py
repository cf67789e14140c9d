"""SPF records (RFC 7208): reading them, and which senders one authorises, its includes followed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.dns import DnsAnswer, DnsClient, DnsOutcome

# RFC 7208 sections 4.6.4: mechanisms that ask DNS, answers that hold nothing, hosts of one MX set.
LOOKUPS_MAX = 10
VOID_LOOKUPS_MAX = 2
MX_HOSTS_MAX = 10

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MECHANISM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:(:)([^/]*))?((?:/.*)?)")
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(\S*)")
_PREFIX = re.compile(r"(?:/(\d{1,3}))?(?://(\d{1,3}))?")


class SpfInvalid(ValueError):
    """A receiver would answer permerror; the text says why, as a sentence."""


class SpfUnknown(Exception):
    """DNS did not answer, so nothing can be said."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One term, such as `~all` or `include:spf.example.net`."""

    qualifier: str
    name: str
    value: str = ""
    prefix4: int = 32
    prefix6: int = 128

    @property
    def text(self) -> str:
        """The term without its qualifier, as a person would write it."""
        return f"{self.name}:{self.value}" if self.value else self.name


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """The terms of one record in order."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


@dataclass(slots=True)
class Authorised:
    """Whom a record lets send, directly or by inclusion."""

    includes: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    networks: list[Network] = field(default_factory=list)
    everybody: bool = False


def spf_texts(values: Sequence[str]) -> list[str]:
    """Those of a name's TXT values that are SPF records (RFC 7208 section 4.5)."""
    return [value for value in values if re.match(r"v=spf1(?: |$)", value, re.IGNORECASE)]


def parse_spf(text: str) -> SpfRecord:
    """Raises SpfInvalid for a term that is none."""
    mechanisms: list[Mechanism] = []
    redirect = ""
    for term in text.split(" ")[1:]:
        if not term:
            continue
        if (modifier := _MODIFIER.fullmatch(term.lower())) is not None:
            if modifier[1] == "redirect":
                if redirect or not modifier[2]:
                    raise SpfInvalid("It has a redirect without a name, or more than one.")
                redirect = modifier[2].rstrip(".")
            continue
        mechanisms.append(_parse_mechanism(term))
    return SpfRecord(tuple(mechanisms), redirect)


def _parse_mechanism(term: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term.lower())
    if found is None:
        raise SpfInvalid(f"The term {term[:80]!r} is no SPF mechanism.")
    qualifier, name, value, rest = found[1] or "+", found[2], (found[4] or "").rstrip("."), found[5]
    if "%" in term:
        return Mechanism(qualifier, name, "%")  # a macro: what it stands for depends on the message
    wrong = SpfInvalid(f"The term {term[:80]!r} is malformed.")
    if found[3] and not value:
        raise wrong
    if name in ("ip4", "ip6"):
        try:
            network = ipaddress.ip_network(value + rest, strict=False)
        except ValueError:
            raise wrong from None
        if network.version != int(name[2]):
            raise wrong
        return Mechanism(qualifier, name, str(network))
    prefix = _PREFIX.fullmatch(rest)
    if prefix is None or (name in ("include", "exists") and not value) or (name == "all" and (value or rest)):
        raise wrong
    lengths = int(prefix[1] or 32), int(prefix[2] or 128)
    if (rest and name not in ("a", "mx")) or lengths[0] > 32 or lengths[1] > 128:
        raise wrong
    return Mechanism(qualifier, name, value, *lengths)


def authorised_senders(dns: DnsClient, domain: str, record: SpfRecord) -> Authorised:
    """Everybody whom the record of `domain` passes. Raises SpfInvalid and SpfUnknown.

    Terms with macros depend on the message and authorise nobody here; terms that fail or soften are passed over.
    """
    walk = _Walk(dns)
    walk.read(domain, record)
    return walk.found


def missing_sources(dns: DnsClient, sources: Sequence[Mechanism], found: Authorised) -> list[Mechanism]:
    """Those of `sources` (what this server sends from) that are not covered. Raises SpfUnknown."""
    return [source for source in sources if not _is_covered(dns, source, found)]


def _is_covered(dns: DnsClient, source: Mechanism, found: Authorised) -> bool:
    if source.name == "include":
        return source.value in found.includes
    if source.name in ("ip4", "ip6"):
        return _is_inside(ipaddress.ip_network(source.value), found.networks)
    hosts = [source.value]
    if source.name == "mx":
        hosts = [host for host, _ in _mx_hosts(_sure(dns.lookup(source.value, "MX")))]
    return bool(hosts) and all(
        host in found.hosts
        or (
            bool(own := _addresses(dns, host)) and all(_is_inside(ipaddress.ip_network(a), found.networks) for a in own)
        )
        for host in hosts
    )


def _is_inside(network: Network, networks: Sequence[Network]) -> bool:
    for outer in networks:
        if isinstance(network, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
            if network.subnet_of(outer):
                return True
        elif (
            isinstance(network, ipaddress.IPv6Network)
            and isinstance(outer, ipaddress.IPv6Network)
            and network.subnet_of(outer)
        ):
            return True
    return False


class _Walk:
    """A record with its includes and redirects, within the limits of RFC 7208."""

    def __init__(self, dns: DnsClient) -> None:
        self.found = Authorised()
        self._dns = dns
        self._lookups = 0
        self._voids = 0

    def read(self, domain: str, record: SpfRecord) -> None:
        for term in record.mechanisms:
            if term.name in ("include", "a", "mx", "ptr", "exists"):
                self._count()
            if term.name == "all":
                self.found.everybody |= term.qualifier == "+"
                return
            if term.qualifier == "+" and "%" not in term.value:
                self._add(domain, term)
        if record.redirect and "%" not in record.redirect:
            self._count()
            self._follow(record.redirect)

    def _add(self, domain: str, term: Mechanism) -> None:
        if term.name == "include":
            self.found.includes.add(term.value)
            self._follow(term.value)
        elif term.name in ("ip4", "ip6"):
            self.found.networks.append(ipaddress.ip_network(term.value))
        elif term.name == "a":
            self._add_host(term.value or domain, term, self._dns)
        elif term.name == "mx":
            answer = self._counted(self._dns.lookup(term.value or domain, "MX"))
            hosts = _mx_hosts(answer)
            if len(hosts) > MX_HOSTS_MAX:
                raise SpfInvalid(f"The term mx stands for more than {MX_HOSTS_MAX} hosts.")
            for host, _ in hosts:
                self._add_host(host, term, self._dns)

    def _add_host(self, host: str, term: Mechanism, dns: DnsClient) -> None:
        self.found.hosts.add(host)
        addresses = _addresses(dns, host)
        if not addresses:
            self._void()
        for address in addresses:
            length = term.prefix6 if ":" in address else term.prefix4
            self.found.networks.append(ipaddress.ip_network(f"{address}/{length}", strict=False))

    def _follow(self, domain: str) -> None:
        texts = spf_texts(self._counted(self._dns.lookup(domain, "TXT")).values)
        if len(texts) != 1:
            count = "no" if not texts else "more than one"
            raise SpfInvalid(f"It refers to {domain[:253]}, which has {count} SPF record.")
        self.read(domain, parse_spf(texts[0]))

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > LOOKUPS_MAX:
            raise SpfInvalid(f"It needs more than {LOOKUPS_MAX} DNS lookups, so receivers ignore it.")

    def _counted(self, answer: DnsAnswer) -> DnsAnswer:
        if _sure(answer).outcome is not DnsOutcome.FOUND:
            self._void()
        return answer

    def _void(self) -> None:
        self._voids += 1
        if self._voids > VOID_LOOKUPS_MAX:
            raise SpfInvalid(f"More than {VOID_LOOKUPS_MAX} names in it do not exist, so receivers ignore it.")


def _sure(answer: DnsAnswer) -> DnsAnswer:
    if not answer.is_conclusive:
        raise SpfUnknown
    return answer


def _addresses(dns: DnsClient, host: str) -> list[str]:
    return [address for kind in ("A", "AAAA") for address in _sure(dns.lookup(host, kind)).values]


def _mx_hosts(answer: DnsAnswer) -> list[tuple[str, int]]:
    return parse_mx(answer.values)


def parse_mx(values: Sequence[str]) -> list[tuple[str, int]]:
    """(host, preference) of MX values, most preferred first; the null MX (RFC 7505) has the host `.`."""
    rows = [(host, int(preference)) for preference, _, host in (value.partition(" ") for value in values)]
    return sorted(rows, key=lambda row: (row[1], row[0]))
