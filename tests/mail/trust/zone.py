"""A DNS zone in memory, and messages signed for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import dkim

from mail.dkim import generate_key, sign
from mail.enums import DkimAlgorithm
from mail.trust.evaluate import evaluate
from mail.trust.lookups import Answer, LookupFailed, Lookups
from mail.trust.verdicts import Arrival, Authentication

BANK = "bank.example"
BANK_IP = "192.0.2.10"
ELSEWHERE = "203.0.113.66"
MESSAGE = (
    b"From: Ann <ann@bank.example>\r\nTo: bot@mail.localhost\r\nSubject: Hello\r\n"
    b"Date: Thu, 01 Jan 2026 10:00:00 +0000\r\nMessage-ID: <m1@bank.example>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nFirst  line \t \r\n\r\nlast\r\n\r\n\r\n"
)


@lru_cache(maxsize=8)
def key(algorithm: DkimAlgorithm) -> tuple[bytes, str]:
    """Private key and TXT record, the same for the whole run."""
    return generate_key(algorithm)


class Zone:
    """Records by (name, kind). A value that is an exception is raised; unknown names do not exist."""

    def __init__(self, records: Mapping[tuple[str, str], Any] | None = None, ttl: int = 300) -> None:
        self.records = dict(records or {})
        self.ttl = ttl
        self.asked: list[tuple[str, str]] = []

    def query(self, name: str, kind: str, seconds: float) -> Answer:
        self.asked.append((name, kind))
        found = self.records.get((name, kind), [])
        if isinstance(found, Exception):
            raise found
        if callable(found):
            found = found()
        return Answer(tuple(value.encode() if kind == "TXT" else value for value in found), self.ttl)


def bank_zone(policy: str = "v=DMARC1; p=reject") -> Zone:
    """bank.example sends from BANK_IP and signs with the selectors s1 (RSA) and s2 (Ed25519)."""
    return Zone(
        {
            (BANK, "TXT"): [f"v=spf1 ip4:{BANK_IP} -all"],
            (f"_dmarc.{BANK}", "TXT"): [policy] if policy else [],
            (f"s1._domainkey.{BANK}", "TXT"): [key(DkimAlgorithm.RSA)[1]],
            (f"s2._domainkey.{BANK}", "TXT"): [key(DkimAlgorithm.ED25519)[1]],
        }
    )


def signed(
    raw: bytes = MESSAGE, domain: str = BANK, selector: str = "s1", algorithm: DkimAlgorithm = DkimAlgorithm.RSA
) -> bytes:
    """The message with a signature of our own signer."""
    return sign(raw, domain=domain, selector=selector, private_key_pem=key(algorithm)[0], algorithm=algorithm)


def dkimpy_signed(raw: bytes = MESSAGE, **options: Any) -> bytes:
    """The message with a signature of dkimpy, which has options that our signer does not need."""
    field: bytes = dkim.sign(raw, b"s1", BANK.encode(), key(DkimAlgorithm.RSA)[0], **options)
    return field + raw


def lookups(zone: Any, **options: Any) -> Lookups:
    """A generous budget."""
    return Lookups(zone, **{"seconds": 30.0, **options})


def checked(raw: bytes, zone: Any, ip: str = BANK_IP, mail_from: str = "", **options: Any) -> Authentication:
    """Evaluate a message that arrived from `ip`."""
    arrival = Arrival(ip, "mx.bank.example", mail_from)
    return evaluate(raw, arrival, lookups(zone), **options)


FAILED = LookupFailed("no answer")
