"""All checks of one message, in an order that a sender cannot use to starve the important ones."""

from __future__ import annotations

from collections.abc import Collection

from mail.mime.addresses import parse_address_list
from mail.mime.defects import Defects
from mail.mime.headers import unfold
from mail.trust.arc import check_arc
from mail.trust.dmarc import Published, find_policy, is_aligned, judge
from mail.trust.domains import ascii_domain
from mail.trust.fields import Fields, Malformed, split_fields
from mail.trust.lookups import LookupFailed, Lookups
from mail.trust.signatures import check_signatures
from mail.trust.spf_check import check_spf, spf_domain
from mail.trust.verdicts import ArcVerdict, Arrival, Authentication, DmarcVerdict, Result, SignatureVerdict, SpfVerdict


def evaluate(
    raw: bytes, arrival: Arrival, lookups: Lookups, *, trusted_sealers: Collection[str] = ()
) -> Authentication:
    """SPF, DKIM, DMARC and ARC of a message as it arrived, without our own trace fields.

    Bounded in time and lookups; DNS failures are temperror. The policy of the From domain is asked for first, then what
    could prove that domain, and only then what the sender chose freely.
    """
    try:
        fields = split_fields(raw)
    except Malformed as error:
        return _unreadable(arrival, lookups, str(error))
    domain, problem = from_domain(fields)
    published = _policy(domain, lookups)
    is_spf_first = is_aligned(spf_domain(arrival), domain, is_strict=False)
    spf = check_spf(arrival, lookups) if is_spf_first else SpfVerdict()
    signatures = check_signatures(fields, lookups, lambda name: is_aligned(name, domain, is_strict=False))
    if not is_spf_first:
        spf = check_spf(arrival, lookups)
    arc = check_arc(fields, lookups, trusted_sealers=trusted_sealers, from_domain=domain)
    if problem:
        return Authentication(spf, signatures, DmarcVerdict(Result.PERMERROR, domain, reason=problem), arc)
    return Authentication(spf, signatures, judge(domain, published, spf, signatures), arc)


def from_domain(fields: Fields) -> tuple[str, str]:
    """The domain of the one author, and what is wrong when there is not exactly one (RFC 7489 section 6.6.1)."""
    values = fields.values.get("from", [])
    if len(values) != 1:
        return "", "several From fields" if values else "no From field"
    addresses, _ = parse_address_list(unfold(values[0], Defects()))
    domains = {ascii_domain(address.address.rpartition("@")[2]) for address in addresses}
    if len(domains) != 1 or "" in domains:
        return "", "several From domains" if len(domains) > 1 else "no From address"
    return domains.pop(), ""


def _policy(domain: str, lookups: Lookups) -> Published | LookupFailed | None:
    if not domain:
        return None
    try:
        return find_policy(domain, lookups)
    except LookupFailed as error:
        return error


def _unreadable(arrival: Arrival, lookups: Lookups, reason: str) -> Authentication:
    signature = SignatureVerdict(Result.PERMERROR, reason=reason)
    spf = check_spf(arrival, lookups)
    return Authentication(spf, (signature,), DmarcVerdict(Result.PERMERROR, reason=reason), ArcVerdict())
