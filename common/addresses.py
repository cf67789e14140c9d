"""Address syntax (RFC 5321 section 4.1.2, RFC 6531), for whoever stores or compares email addresses. Pure."""

from __future__ import annotations

import re

import idna

# RFC 5321 section 4.5.3.1; the path of 256 includes the brackets.
ADDRESS_MAX_CHARS = 254
LOCAL_PART_MAX_CHARS = 64

# An encoded word (=?...) is read as a name by other software, never as an address.
_ATOM = re.compile(r"(?!=\?)[^\s()<>\[\]:;@\\,\"\x00-\x1f\x7f]+")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_DOMAIN_MAX_CHARS = 253  # RFC 1035 section 3.1, as text without the final dot


def normalize_address(address: str) -> str:
    """Lower case, without angle brackets or surrounding space: how addresses are compared and stored for lookup."""
    return address.strip().removeprefix("<").removesuffix(">").strip().lower()


def domain_of(address: str) -> str:
    """The part after the last `@`, lower case."""
    return address.rpartition("@")[2].lower()


def parse_recipient(raw: str) -> str | None:
    """A bare address to send to, its domain as DNS has it (lower case, IDN as A-labels); None when it cannot be one.

    Accepts unquoted local parts incl. UTF-8 (RFC 6531) and IDN domains; no display names, comments or routes. One
    spelling for each domain matters: contact rules and local delivery compare text.
    """
    text = raw.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    local, at, domain = text.rpartition("@")
    if not at or not local or len(text) > ADDRESS_MAX_CHARS or len(local.encode()) > LOCAL_PART_MAX_CHARS:
        return None
    if not _ATOM.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    ascii_domain = _ascii_domain(domain)
    return f"{local}@{ascii_domain}" if ascii_domain is not None and local.isprintable() else None


def parse_domain(raw: str) -> str | None:
    """A bare domain in the spelling of `parse_recipient`, a leading `@` or final dot removed; None for anything else.

    Names that only DNS would accept are fine: rules are made against senders who choose such names.
    """
    return _ascii_domain(raw.strip().removeprefix("@").removesuffix("."))


def counterparty_address(raw: str) -> str:
    """An address that somebody else wrote, in the spelling that contact rules are compared in."""
    return normalize_address(parse_recipient(raw) or raw)


def _ascii_domain(domain: str) -> str | None:
    """IDNA 2008, as the message builder does it; None for what is no domain name."""
    try:
        text = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
    is_name = len(text) <= _DOMAIN_MAX_CHARS and all(_LABEL.fullmatch(label) for label in text.split("."))
    return text if is_name else None
