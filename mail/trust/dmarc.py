"""DMARC (RFC 7489): policy discovery, alignment, and what follows. Organizations by the public suffix list.

As its successor does, `pct` is read as 0 or 100 and `t=y` as 0: the owner is testing, the next milder policy is meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mail.trust.domains import ascii_domain, is_same_organization, organizational_domain
from mail.trust.lookups import LookupFailed, Lookups
from mail.trust.verdicts import Authentication, Disposition, DmarcVerdict, Policy, Result, SignatureVerdict, SpfVerdict

_VERSION = re.compile(rb"v\s*=\s*DMARC1\s*(?:;|\Z)")
_RECORD_MAX_BYTES = 4096
_MILDER = {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE, Policy.NONE: Policy.NONE}


@dataclass(frozen=True, slots=True)
class Published:
    """The policy in force for one From domain."""

    policy: Policy
    is_strict_dkim: bool = False
    is_strict_spf: bool = False


def find_policy(domain: str, lookups: Lookups) -> Published | None:
    """The published policy of a domain, or of its organization (sections 6.6.3, 6.3). Raises LookupFailed."""
    tags = _record(domain, lookups)
    if tags is not None:
        return _published(tags, tags.get("p", ""))
    organization = organizational_domain(domain)
    tags = _record(organization, lookups) if organization != domain else None
    if tags is None:
        return None
    wanted = tags.get("sp") or tags.get("p", "")
    if tags.get("np") and not _exists(domain, lookups):  # RFC 9091
        wanted = tags["np"]
    return _published(tags, wanted)


def _record(domain: str, lookups: Lookups) -> dict[str, str] | None:
    """The tags of the one record; None when there is none, or more than one."""
    texts = lookups.texts(f"_dmarc.{domain}")
    found = [text for text in texts if _VERSION.match(text) and len(text) <= _RECORD_MAX_BYTES]
    if len(found) != 1:
        return None
    tags: dict[str, str] = {}
    for item in found[0].decode("ascii", "replace").split(";"):
        name, separator, value = item.partition("=")
        if separator:
            tags.setdefault(name.strip().lower(), value.strip().lower())
    return tags


def _published(tags: dict[str, str], wanted: str) -> Published | None:
    try:
        policy = Policy(wanted)
    except ValueError:
        # Without a valid policy, a record that asks for reports counts as p=none, any other one as nothing.
        if not tags.get("rua", "").startswith("mailto:"):
            return None
        policy = Policy.NONE
    if tags.get("t") == "y" or tags.get("pct") == "0":
        policy = _MILDER[policy]
    return Published(policy, tags.get("adkim") == "s", tags.get("aspf") == "s")


def _exists(domain: str, lookups: Lookups) -> bool:
    return any(lookups.records(domain, kind) for kind in ("A", "AAAA", "MX"))


def judge(
    from_domain: str,
    published: Published | LookupFailed | None,
    spf: SpfVerdict,
    signatures: Sequence[SignatureVerdict],
) -> DmarcVerdict:
    """Combine the checks (section 6.6.2). Pure.

    Without a policy the result is `none`, but `aligned_by` still tells what proves the domain, by relaxed alignment.
    """
    rules = published if isinstance(published, Published) else Published(Policy.NONE)
    results = [
        ("dkim", row.result, is_aligned(row.domain, from_domain, is_strict=rules.is_strict_dkim)) for row in signatures
    ]
    results.append(("spf", spf.result, is_aligned(spf.domain, from_domain, is_strict=rules.is_strict_spf)))
    aligned_by = next((name for name, result, aligned in results if aligned and result is Result.PASS), "")
    if isinstance(published, LookupFailed):
        return DmarcVerdict(
            Result.TEMPERROR,
            from_domain,
            aligned_by=aligned_by,
            reason="the policy could not be looked up",
            is_policy_unknown=True,
        )
    if published is None:
        return DmarcVerdict(Result.NONE, from_domain, aligned_by=aligned_by)
    if aligned_by:
        result = Result.PASS
    elif any(aligned and outcome is Result.TEMPERROR for _, outcome, aligned in results):
        result = Result.TEMPERROR
    else:
        result = Result.FAIL
    return DmarcVerdict(result, from_domain, published.policy, aligned_by)


def is_aligned(domain: str, from_domain: str, *, is_strict: bool) -> bool:
    """Section 3.1."""
    return bool(domain) and (domain == from_domain or (not is_strict and is_same_organization(domain, from_domain)))


def disposition(found: Authentication, enforce: str) -> Disposition:
    """What to do with the message where the operator's setting is `enforce` (reject, spam or off). Pure."""
    dmarc = found.dmarc
    if enforce == "off" or found.aligned_by:
        return Disposition.ACCEPT
    if dmarc.result is Result.PERMERROR:  # several From domains: made to be read in two ways
        return Disposition.SPAM
    if dmarc.result is not Result.FAIL or dmarc.policy in (None, Policy.NONE):
        return Disposition.ACCEPT
    return Disposition.REJECT if enforce == "reject" and dmarc.policy is Policy.REJECT else Disposition.SPAM


def may_match_allow_rules(found: Authentication, from_address: str, *, is_own_domain: bool) -> bool:
    """Whether rules that allow `from_address` count: its domain is proven, or its owner publishes no policy. Pure.

    For a domain of this server (`is_own_domain`) we know without DNS that its mail does not come from outside unproven.
    When the policy could not be looked up, they do not count: nobody may wait for an outage to be somebody else.
    """
    if ascii_domain(from_address.rpartition("@")[2]) != found.dmarc.from_domain:
        return False
    if found.aligned_by:
        return True
    return found.dmarc.result is Result.NONE and not is_own_domain
