"""Domain names as the checks compare them: lower case, IDN as A-labels, and the organization that owns them."""

from __future__ import annotations

import re

import idna

from common.domain_names import public_suffixes

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)


def ascii_domain(text: str) -> str:
    """The domain in its one spelling; empty when it is none."""
    name = text.strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return ""
    return name if _NAME.fullmatch(name) else ""


def organizational_domain(domain: str) -> str:
    """The public suffix and one label more (RFC 7489 section 3.2); a suffix is its own organization."""
    found: str = public_suffixes().get_sld(domain) or domain
    # A top-level domain that the list does not know is a suffix like any other (its default rule is `*`).
    return found if "." in found else ".".join(domain.split(".")[-2:])


def is_same_organization(one: str, other: str) -> bool:
    """Relaxed alignment (RFC 7489 section 3.1)."""
    return bool(one and other) and (one == other or organizational_domain(one) == organizational_domain(other))
