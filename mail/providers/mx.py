"""Mail straight to the recipients' servers (RFC 5321 section 5.1): MX lookup, host choice, one transaction a domain."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import dns.exception
import dns.name
import dns.resolver

from common.db import refuse_in_transaction
from common.http import is_public
from mail.providers.base import Envelope, Outcome, RecipientResult
from mail.providers.domain_slots import DomainSlots
from mail.providers.idle_sessions import IdleSessions
from mail.providers.mta_sts import Mode, PolicyStore, fetch_policy
from mail.providers.outcomes import HandOffOnce, same_for_all, send_in_parts
from mail.providers.smtp_client import Submission, deliver, smtp_address
from mail.providers.smtp_session import HostUnavailable, Server, Timeouts, Tls

SMTP_PORT = 25
HOSTS_MAX = 5
ADDRESSES_PER_HOST_MAX = 2
DNS_SECONDS = 15.0
# Nothing new is started after this; what is left is tried with the next attempt. With the longest single transaction
# it stays under limits.RELAY_LEASE.
START_SECONDS = 120.0


class Resolver(Protocol):
    """The one method of dns.resolver.Resolver that is used."""

    def resolve(
        self, qname: Any, rdtype: Any, *, lifetime: float | None = None, search: bool | None = None
    ) -> Iterable[Any]:
        """Records of one type, or one of dnspython's exceptions."""
        ...


class Undeliverable(Exception):
    """DNS says that this domain takes no mail, for good."""


class LookupFailed(Exception):
    """DNS gave no usable answer now."""


@dataclass(frozen=True, slots=True)
class MailHost:
    """One host to try, with the addresses that were looked up for it."""

    name: str
    addresses: tuple[str, ...]


class MxTransport:
    """Delivers to each recipient domain itself, with opportunistic TLS (RFC 7435), verified where MTA-STS promises it.

    Recipients are grouped by domain, and every domain has its own transaction and outcome. `hand_off` is called once,
    before the first content of any domain. When the answer of some domains is lost, the others are still served, and
    PartlyUnknown then carries their results; only the recipients without a result are uncertain.
    """

    name = "mx"

    def __init__(
        self,
        *,
        resolver: Resolver | None = None,
        port: int = SMTP_PORT,
        allow_private: bool = False,
        timeouts: Timeouts | None = None,
        slots: DomainSlots | None = None,
        sessions: IdleSessions | None = None,
        has_sts: bool = False,
        policy_port: int = 443,
        ca_file: str = "",
    ) -> None:
        self._slots = slots
        self._sessions = sessions
        self._ca_file = ca_file
        self._policy_port = policy_port
        self._policies = PolicyStore(self._texts, self._fetch_policy) if has_sts else None
        self._resolver = resolver
        self._port = port
        self._allow_private = allow_private
        self._timeouts = timeouts

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> list[RecipientResult]:
        """Deliver to every domain, in random order, so that a slow one does not delay the same others every time."""
        refuse_in_transaction("Sending mail")
        once = HandOffOnce(hand_off)
        stop_at = time.monotonic() + START_SECONDS
        refused: list[RecipientResult] = []
        groups = list(group_by_domain(envelope.recipients, refused).items())
        secrets.SystemRandom().shuffle(groups)
        parts: list[tuple[Sequence[str], Callable[[], Sequence[RecipientResult]]]] = [((), lambda: refused)]
        for domain, recipients in groups:
            submission = Submission(envelope.sender_for(recipients), tuple(recipients), envelope.content)
            parts.append((recipients, partial(self._send_in_turn, domain, submission, once, stop_at)))
        return send_in_parts(envelope, once, parts)

    def _send_in_turn(
        self, domain: str, submission: Submission, hand_off: Callable[[], None], stop_at: float
    ) -> list[RecipientResult]:
        """One domain, when this process is not busy enough with it already."""
        if time.monotonic() > stop_at:
            return same_for_all(submission.recipients, Outcome.NOT_TRIED, "Other domains took too long; not tried yet.")
        if self._slots is None:
            return self._send_to_domain(domain, submission, hand_off, stop_at)
        with self._slots.take(domain) as is_free:
            if not is_free:
                detail = "Other messages to this domain are on their way; not tried yet."
                return same_for_all(submission.recipients, Outcome.NOT_TRIED, detail)
            return self._send_to_domain(domain, submission, hand_off, stop_at)

    def _send_to_domain(
        self, domain: str, submission: Submission, hand_off: Callable[[], None], stop_at: float
    ) -> list[RecipientResult]:
        tls = Tls.AUTO
        try:
            hosts = self.mail_hosts(domain)
            if self._must_verify(domain):
                tls, hosts = Tls.REQUIRE, self._promised(domain, hosts)
        except Undeliverable as error:
            return same_for_all(submission.recipients, Outcome.REFUSED, str(error))
        except LookupFailed as error:
            return same_for_all(submission.recipients, Outcome.DEFERRED, str(error))
        failures: list[HostUnavailable] = []
        targets = [(host.name, address) for host in hosts for address in host.addresses[:ADDRESSES_PER_HOST_MAX]]
        for name, address in targets:
            if failures and time.monotonic() > stop_at:
                failures.append(HostUnavailable("The domain's mail hosts took too long."))
                break
            try:
                server = Server(name, self._port, tls, address, ca_file=self._ca_file)
                return deliver(server, submission, hand_off, self._timeouts, self._sessions)
            except HostUnavailable as error:
                failures.append(error)
        # A domain whose every host says 554 instead of a greeting does not want this mail; anything else may change.
        is_permanent = all(failure.is_permanent for failure in failures)
        outcome = Outcome.REFUSED if is_permanent else Outcome.DEFERRED
        return same_for_all(submission.recipients, outcome, failures[-1].detail)

    def _must_verify(self, domain: str) -> bool:
        """Whether the domain promises verified TLS, so that nothing less may be used (RFC 8461 section 5)."""
        if self._policies is None or domain.startswith("["):
            return False
        policy = self._policies.policy_for(domain)
        return policy is not None and policy.mode is Mode.ENFORCE

    def _promised(self, domain: str, hosts: Sequence[MailHost]) -> list[MailHost]:
        """Those hosts that the policy names. Raises LookupFailed when it names none: DNS may be lying."""
        policy = self._policies.policy_for(domain) if self._policies is not None else None
        promised = [host for host in hosts if policy is None or policy.allows(host.name)]
        if not promised:
            raise LookupFailed("451 4.7.5 None of the domain's mail hosts is allowed by its MTA-STS policy.")
        return promised

    def _texts(self, name: str) -> list[str]:
        try:
            return [b"".join(record.strings).decode("utf-8", "replace") for record in self._lookup(name, "TXT")]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []

    def _fetch_policy(self, domain: str) -> str | None:
        host = f"mta-sts.{domain}"
        try:
            addresses = self._allowed(self._addresses(host), host)
        except (LookupFailed, Undeliverable):
            return None
        return fetch_policy(domain, addresses[:ADDRESSES_PER_HOST_MAX], self._policy_port, self._ca_file)

    def mail_hosts(self, domain: str) -> list[MailHost]:
        """The hosts to try in order, at most HOSTS_MAX, each with at least one allowed address.

        Raises Undeliverable for a null MX (RFC 7505), an unknown domain, and hosts without a public address;
        LookupFailed when DNS does not answer.
        """
        if domain.startswith("["):
            literal = _literal(domain)
            return [MailHost(literal, self._allowed([literal], domain))]
        names = self._mx_names(domain)
        hosts: list[MailHost] = []
        refused = failed = False
        for name in names:
            try:
                found = self._addresses(name)
                if found:
                    hosts.append(MailHost(name, self._allowed(found, name)))
            except Undeliverable:
                refused = True
            except LookupFailed:
                failed = True
            if len(hosts) == HOSTS_MAX:
                break
        if hosts:
            return hosts
        if failed:
            raise LookupFailed("451 4.4.3 The mail hosts' addresses could not be looked up.")
        if refused:
            raise Undeliverable("550 5.4.4 The domain's mail hosts have no public address.")
        raise Undeliverable("550 5.4.4 The domain has no mail host with an address.")

    def _mx_names(self, domain: str) -> list[str]:
        """MX targets by preference, equal ones in random order; the domain itself when it has none."""
        try:
            records = [(int(record.preference), record.exchange) for record in self._lookup(domain, "MX")]
        except dns.resolver.NXDOMAIN:
            raise Undeliverable("550 5.1.2 The domain does not exist.") from None
        except dns.resolver.NoAnswer:
            records = []
        except dns.exception.DNSException as error:
            raise LookupFailed(f"451 4.4.3 The MX lookup failed ({type(error).__name__}).") from None
        if not records:
            return [domain]
        usable = [(preference, target) for preference, target in records if target != dns.name.root]
        if not usable:
            raise Undeliverable("556 5.1.10 The domain accepts no mail (null MX).")
        secrets.SystemRandom().shuffle(usable)
        usable.sort(key=lambda record: record[0])
        return list(dict.fromkeys(target.to_text(omit_final_dot=True).lower() for _, target in usable))

    def _addresses(self, name: str) -> list[str]:
        found: list[str] = []
        failed = False
        # IPv4 first: a host without an IPv6 route fails at once, but many receivers judge IPv6 senders more strictly.
        for kind in ("A", "AAAA"):
            try:
                found += [str(record.address) for record in self._lookup(name, kind)]
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
            except dns.exception.DNSException:
                failed = True
        if not found and failed:
            raise LookupFailed("451 4.4.3 The address lookup failed.")
        return found

    def _lookup(self, name: str, kind: str) -> list[Any]:
        resolver = self._resolver or _system_resolver()
        return list(resolver.resolve(dns.name.from_text(name), kind, lifetime=DNS_SECONDS, search=False))

    def _allowed(self, addresses: Sequence[str], host: str) -> tuple[str, ...]:
        allowed = tuple(address for address in addresses if self._allow_private or is_public(address))
        if not allowed:
            # A domain must not be able to aim this server at its own network.
            raise Undeliverable(f"550 5.4.4 {host} has no public address.")
        return allowed


def _system_resolver() -> Resolver:
    try:
        return dns.resolver.get_default_resolver()
    except dns.resolver.NoResolverConfiguration:
        raise LookupFailed("451 4.4.3 This server has no DNS resolver configured.") from None


def _literal(domain: str) -> str:
    """The address in an address literal (RFC 5321 section 4.1.3)."""
    text = domain.strip("[]")
    if text.lower().startswith("ipv6:"):
        text = text[5:]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Undeliverable("553 5.1.2 This is not an address literal.") from None


def group_by_domain(recipients: Iterable[str], refused: list[RecipientResult]) -> dict[str, list[str]]:
    """Recipients by ASCII domain; what cannot be an SMTP address is added to `refused` instead."""
    groups: dict[str, list[str]] = {}
    for address in dict.fromkeys(recipients):
        try:
            domain = smtp_address(address).rpartition("@")[2].rstrip(".").lower()
            if not domain.startswith("["):
                dns.name.from_text(domain)
        except (ValueError, dns.exception.DNSException):
            domain = ""
        if not domain:
            refused += same_for_all([address], Outcome.REFUSED, "553 5.1.3 This is not an address that SMTP can carry.")
            continue
        groups.setdefault(domain, []).append(address)
    return groups
