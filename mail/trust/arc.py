"""ARC (RFC 8617): what trusted forwarders saw before they changed a message."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import authres
import authres.core

from mail import limits
from mail.trust.domains import ascii_domain
from mail.trust.fields import Fields
from mail.trust.lookups import LookupFailed, Lookups
from mail.trust.signatures import ArcVerifier, Unusable, check_field_size, key_source
from mail.trust.verdicts import ArcVerdict, Result

_NAMES = ("arc-seal", "arc-message-signature", "arc-authentication-results")
_INSTANCE = re.compile(rb"\s*i\s*=\s*\d+\s*;")


def check_arc(fields: Fields, lookups: Lookups, *, trusted_sealers: Collection[str], from_domain: str) -> ArcVerdict:
    """Validate the chain. Never raises.

    A chain vouches for `from_domain` when it is intact, every sealer from the newest back to some hop is trusted, and
    that hop's results say that DMARC passed for this domain.
    """
    values = [value for name in _NAMES for value in fields.values.get(name, [])]
    if not values:
        return ArcVerdict()
    try:
        if len(values) > limits.ARC_SETS_MAX * len(_NAMES):
            raise Unusable("too many ARC sets")
        for value in values:
            check_field_size(value)
        status, hops, _ = ArcVerifier(fields).verify(dnsfunc=key_source(lookups))
    except LookupFailed:
        return ArcVerdict(Result.TEMPERROR, reason="a key could not be looked up")
    except Exception:
        # A changed body and unusable keys come as exceptions of ours, broken fields as many kinds of dkimpy.
        return ArcVerdict(Result.FAIL, reason="the chain is broken")
    if status != b"pass":
        return ArcVerdict(Result.FAIL, reason="the chain is broken")
    sealers = tuple(ascii_domain(hop["as-domain"].decode("ascii", "replace")) for hop in hops)
    return ArcVerdict(Result.PASS, sealers, _voucher(hops, sealers, trusted_sealers, from_domain))


def _voucher(hops: Sequence[dict[str, Any]], sealers: Sequence[str], trusted: Collection[str], from_domain: str) -> str:
    """The trusted sealer whose results count, else empty. Hops are newest first."""
    voucher = ""
    for hop, sealer in zip(hops, sealers, strict=True):
        if sealer not in trusted:
            break
        if from_domain and _saw_dmarc_pass(hop["aar-value"], from_domain):
            voucher = sealer
    return voucher


def _saw_dmarc_pass(value: bytes, from_domain: str) -> bool:
    text = _INSTANCE.sub(b"", value, count=1).decode("utf-8", "replace").strip()
    try:
        results = authres.AuthenticationResultsHeader.parse_value(text).results
    except (authres.core.SyntaxError, RecursionError):
        return False
    return any(
        result.method == "dmarc"
        and result.result == "pass"
        and any(
            (p.type, p.name) == ("header", "from") and ascii_domain(p.value) == from_domain for p in result.properties
        )
        for result in results or ()
    )
