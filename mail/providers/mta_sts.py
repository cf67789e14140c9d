"""MTA-STS (RFC 8461): a domain's promise that its mail servers speak verified TLS, kept by refusing anything less.

Policies are remembered in memory for as long as they say. A restart forgets them, which is when a domain whose policy
server is being blocked at that very moment gets opportunistic TLS again. DANE (RFC 7672) would need a resolver that
validates DNSSEC, and is not used.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from mail.providers.smtp_session import tls_context

log = structlog.get_logger(__name__)

_POLICY_MAX_BYTES = 64 * 1024
_MX_MAX = 100
_FETCH_SECONDS = 20.0
_MAX_AGE_SECONDS = 31_557_600  # RFC 8461 section 3.2
# How long the absence or presence of a record is believed without asking again.
_RECHECK_SECONDS = 300.0
_DOMAINS_MAX = 10_000
_ID = re.compile(r"[A-Za-z0-9]{1,32}")


class Mode(StrEnum):
    """What a sender does when the promise is broken."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """A domain's policy. `mx` are host names, or `*.` and a domain for one label more."""

    mode: Mode
    mx: tuple[str, ...]
    max_age_seconds: int

    def allows(self, host: str) -> bool:
        """Whether a mail host is one of the promised (section 4.1)."""
        name = host.rstrip(".").lower()
        return any(
            name.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else name == pattern
            for pattern in self.mx
        )


def parse_record(texts: Iterable[str]) -> str | None:
    """The policy id in the TXT records of `_mta-sts.`; None without exactly one usable record (section 3.1)."""
    found = [text for text in texts if re.match(r"v=STSv1\s*(;|$)", text)]
    if len(found) != 1:
        return None
    fields = dict(part.strip().partition("=")[::2] for part in found[0].split(";"))
    policy_id = fields.get("id", "").strip()
    return policy_id if _ID.fullmatch(policy_id) else None


def parse_policy(text: str) -> Policy | None:
    """A policy file (section 3.2); None for one that cannot be used."""
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in text.splitlines():
        key, separator, value = (part.strip() for part in line.partition(":"))
        if not separator:
            continue
        if key == "mx":
            hosts.append(value.rstrip(".").lower())
        else:
            fields.setdefault(key, value)
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    is_usable = fields.get("version") == "STSv1" and mode in tuple(Mode) and re.fullmatch(r"[0-9]{1,10}", age)
    if not is_usable or len(hosts) > _MX_MAX or (mode != Mode.NONE and not hosts):
        return None
    return Policy(Mode(mode), tuple(hosts), min(int(age), _MAX_AGE_SECONDS))


@dataclass(frozen=True, slots=True)
class _Known:
    policy: Policy | None
    policy_id: str | None
    expires_at: float
    recheck_at: float


class PolicyStore:
    """Finds and remembers policies. `look_up` gives TXT records (raises when DNS does not answer), `fetch` the file."""

    def __init__(
        self,
        look_up: Callable[[str], Iterable[str]],
        fetch: Callable[[str], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up, self._fetch, self._clock = look_up, fetch, clock
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def policy_for(self, domain: str) -> Policy | None:
        """The policy to obey now; None when the domain has none. Network I/O, at most once in some minutes."""
        moment = self._clock()
        with self._lock:
            known = self._known.get(domain)
        if known is None or known.recheck_at <= moment:
            known = self._refresh(domain, known, moment)
        return known.policy if known.expires_at > moment else None

    def _refresh(self, domain: str, known: _Known | None, moment: float) -> _Known:
        policy, policy_id, expires_at = None, None, moment
        if known is not None and known.expires_at > moment:
            policy, policy_id, expires_at = known.policy, known.policy_id, known.expires_at
        try:
            found_id = parse_record(self._look_up(f"_mta-sts.{domain}"))
        except Exception as error:
            # A policy that is known is kept without its record: that is its point.
            log.info("mail.sts_lookup_failed", error=type(error).__name__)
            found_id = None
        if found_id is not None and found_id != policy_id:
            text = self._fetch(domain)
            fetched = parse_policy(text) if text is not None else None
            if fetched is not None:
                policy, policy_id, expires_at = fetched, found_id, moment + fetched.max_age_seconds
        fresh = _Known(policy, policy_id, expires_at, moment + _RECHECK_SECONDS)
        with self._lock:
            if len(self._known) >= _DOMAINS_MAX:
                self._known.clear()
            self._known[domain] = fresh
        return fresh


class _AddressedConnection(http.client.HTTPSConnection):
    """HTTPS to a checked address under the name of its host."""

    def __init__(self, host: str, address: str, port: int, ca_file: str) -> None:
        self._tls = tls_context(ca_file, verified=True)
        super().__init__(host, port, timeout=_FETCH_SECONDS, context=self._tls)
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def fetch_policy(domain: str, addresses: Iterable[str], port: int = 443, ca_file: str = "") -> str | None:
    """The policy file from the first address that answers; None for anything but 200 and text (section 3.3).

    Redirects are not followed. `ca_file` replaces the system's authorities (tests).
    """
    for address in addresses:
        connection = _AddressedConnection(f"mta-sts.{domain}", address, port, ca_file)
        try:
            connection.request("GET", "/.well-known/mta-sts.txt", headers={"User-Agent": "mta-sts"})
            answer = connection.getresponse()
            body = answer.read(_POLICY_MAX_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            log.info("mail.sts_fetch_failed", error=type(error).__name__)
            continue
        finally:
            connection.close()
        content_type = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        is_policy = answer.status == 200 and content_type == "text/plain" and len(body) <= _POLICY_MAX_BYTES
        return body.decode("utf-8", "replace") if is_policy else None
    return None
