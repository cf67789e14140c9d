"""DNS for the evaluation of messages: bounded in time and number, cached, one kind of failure.

The names to look up are chosen by whoever sent the message. So each message has a budget, and everything that can go
wrong is LookupFailed, which the callers report as `temperror`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import dns.exception
import dns.name
import dns.resolver
from django.conf import settings

from common.dns import make_resolver
from mail import limits

_NAME_MAX_CHARS = 253
_CACHE_ENTRIES = 20_000
_FOUND_SECONDS = (30, 3600)
_ABSENT_SECONDS = 60
_FAILED_SECONDS = 5
_TXT_MAX_BYTES = 8192
_RECORDS_MAX = 100


class LookupFailed(Exception):
    """DNS gave no usable answer now, or the budget of the message is spent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of one name and type; none when there are none. TXT values are bytes, MX ones (preference, host)."""

    values: tuple[Any, ...]
    ttl_seconds: int = _ABSENT_SECONDS


class Resolver(Protocol):
    """Whatever answers DNS questions."""

    def query(self, name: str, kind: str, seconds: float) -> Answer:
        """Records of an ASCII name. Raises LookupFailed after `seconds` at the latest."""
        ...


class SystemResolver:
    """The name servers of INKBOX_DNS_SERVERS, by default those of the machine."""

    def __init__(self) -> None:
        self._resolver = make_resolver(settings.DNS_SERVERS)

    def query(self, name: str, kind: str, seconds: float) -> Answer:
        """CNAMEs are followed. A name that does not exist has no records."""
        try:
            question = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return Answer(())  # no such name can exist
        if self._resolver is None:
            raise LookupFailed("This machine has no name servers.")
        try:
            answer = self._resolver.resolve(question, kind, lifetime=seconds, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Answer(())
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailed(type(error).__name__) from error
        if answer.rrset is None:
            return Answer(())
        return Answer(tuple(_value(kind, record) for record in answer.rrset)[:_RECORDS_MAX], int(answer.rrset.ttl))


def _value(kind: str, record: Any) -> Any:
    if kind == "TXT":
        return b"".join(record.strings)
    if kind == "MX":
        return int(record.preference), record.exchange.to_text(omit_final_dot=True)
    return record.target.to_text(omit_final_dot=True) if kind == "PTR" else str(record.address)


class CachedResolver:
    """Remembers answers as long as they say (30 seconds to an hour), absence for a minute, failures for 5 seconds.

    Several threads may use it; at worst two of them ask the same question.
    """

    def __init__(self, inner: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Answer | None]] = {}

    def query(self, name: str, kind: str, seconds: float) -> Answer:
        """As the inner resolver, or from memory."""
        key = (name, kind)
        known = self._known.get(key)
        if known is not None and known[0] > self._clock():
            if known[1] is None:
                raise LookupFailed("The lookup failed a moment ago.")
            return known[1]
        try:
            answer = self._inner.query(name, kind, seconds)
        except LookupFailed:
            # One that had less than its usual time says nothing about the name.
            if seconds >= limits.DNS_QUERY_SECONDS:
                self._remember(key, _FAILED_SECONDS, None)
            raise
        low, high = _FOUND_SECONDS
        self._remember(key, min(max(answer.ttl_seconds, low), high) if answer.values else _ABSENT_SECONDS, answer)
        return answer

    def _remember(self, key: tuple[str, str], seconds: float, answer: Answer | None) -> None:
        if len(self._known) >= _CACHE_ENTRIES:
            self._known.clear()
        self._known[key] = (self._clock() + seconds, answer)


class Lookups:
    """The lookups of one message: `seconds` from now for all of them together, and at most `most` questions."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        seconds: float,
        most: int = limits.DNS_QUERIES_PER_MESSAGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._deadline = clock() + seconds
        self._left = most
        self._asked: dict[tuple[str, str], Answer | None] = {}

    def records(self, name: str, kind: str) -> tuple[Any, ...]:
        """The records of a name, none when it is no name. Raises LookupFailed."""
        name = name.lower().rstrip(".")
        labels = name.split(".")
        if not name.isascii() or len(name) > _NAME_MAX_CHARS or not all(0 < len(label) <= 63 for label in labels):
            return ()
        key = (name, kind)
        if key not in self._asked:
            self._asked[key] = self._ask(name, kind)
        answer = self._asked[key]
        if answer is None:
            raise LookupFailed("The lookup failed.")
        return answer.values

    def texts(self, name: str) -> list[bytes]:
        """TXT records, each joined, without oversized ones. Raises LookupFailed."""
        return [value for value in self.records(name, "TXT") if len(value) <= _TXT_MAX_BYTES]

    def _ask(self, name: str, kind: str) -> Answer | None:
        seconds = min(limits.DNS_QUERY_SECONDS, self._deadline - self._clock())
        if seconds <= 0 or self._left <= 0:
            return None
        self._left -= 1
        try:
            return self._resolver.query(name, kind, seconds)
        except LookupFailed:
            return None
