"""SPF (RFC 7208) with pyspf, its DNS replaced by the budget of the message."""

from __future__ import annotations

import ipaddress
from typing import Any

import spf

from mail.trust.domains import ascii_domain
from mail.trust.lookups import LookupFailed, Lookups
from mail.trust.verdicts import Arrival, Result, SpfVerdict

# pyspf takes these texts apart with patterns that are not linear.
_RECORD_MAX_BYTES = 4096
_TERM_MAX_BYTES = 512
_OTHER_TEXT_MAX_BYTES = 512
_IDENTITY_MAX_CHARS = 320


def spf_domain(arrival: Arrival) -> str:
    """The domain that SPF is asked about: that of MAIL FROM, of HELO for a null reverse-path; empty when unusable."""
    return ascii_domain(arrival.mail_from.rpartition("@")[2] if arrival.mail_from else arrival.helo)


def check_spf(arrival: Arrival, lookups: Lookups) -> SpfVerdict:
    """Whether the owner of the domain lets this address send. Never raises; DNS trouble is temperror."""
    domain = spf_domain(arrival)
    is_helo = not arrival.mail_from
    try:
        address = ipaddress.ip_address(arrival.ip.partition("%")[0])
    except ValueError:
        return SpfVerdict(Result.NONE, domain, is_helo)
    if "." not in domain or len(arrival.mail_from) > _IDENTITY_MAX_CHARS:
        return SpfVerdict(Result.NONE, domain, is_helo)
    local = "postmaster" if is_helo else arrival.mail_from.rpartition("@")[0] or "postmaster"
    try:
        answer = _Query(str(address), f"{local}@{domain}", ascii_domain(arrival.helo), lookups).check()[0]
        return SpfVerdict(Result(answer), domain, is_helo)
    except Exception:
        # pyspf meets hostile records with exceptions of many kinds: all of them are errors of the record.
        return SpfVerdict(Result.PERMERROR, domain, is_helo)


class _Query(spf.query):  # type: ignore[misc]
    """pyspf's evaluation of one identity; the limits of RFC 7208 section 4.6.4 are its own."""

    def __init__(self, address: str, sender: str, helo: str, lookups: Lookups) -> None:
        super().__init__(i=address, s=sender, h=helo)
        self._lookups = lookups

    def dns(self, name: Any, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:
        """Records as pyspf wants them. The resolver follows aliases."""
        try:
            if qtype == "TXT":
                found: list[Any] = [[text] for text in _usable(self._lookups.texts(str(name)))]
            else:
                found = list(self._lookups.records(str(name), qtype))
        except LookupFailed as error:
            raise spf.TempError(str(error)) from None
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("Too many lookups without an answer")
        return found


def _usable(texts: list[bytes]) -> list[bytes]:
    usable = []
    for text in texts:
        if spf.RE_SPF.match(text):
            if len(text) > _RECORD_MAX_BYTES or any(len(term) > _TERM_MAX_BYTES for term in text.split(b" ")):
                raise spf.PermError("The record is too large")
            usable.append(text)
        elif len(text) <= _OTHER_TEXT_MAX_BYTES:  # an explanation (section 6.2)
            usable.append(text)
    return usable
