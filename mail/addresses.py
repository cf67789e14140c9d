"""Address syntax (RFC 5321 section 4.1.2, RFC 6531). Pure."""

from __future__ import annotations

import re

import idna

from mail import limits

_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
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


def is_valid_local_part(text: str) -> bool:
    """Local parts that this server hands out: 1-64 of a-z 0-9 . _ -, alphanumeric ends, no `..` or `--`."""
    return (
        len(text) <= limits.LOCAL_PART_MAX_CHARS
        and bool(_LOCAL_PART.fullmatch(text))
        and ".." not in text
        and "--" not in text
    )


def parse_recipient(raw: str) -> str | None:
    """A bare address to send to, its domain as DNS has it (lower case, IDN as A-labels); None when it cannot be one.

    Accepts unquoted local parts incl. UTF-8 (RFC 6531) and IDN domains; no display names, comments or routes. One
    spelling for each domain matters: contact rules and local delivery compare text.
    """
    text = raw.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    local, at, domain = text.rpartition("@")
    if not at or not local or len(text) > limits.ADDRESS_MAX_CHARS or len(local.encode()) > limits.LOCAL_PART_MAX_CHARS:
        return None
    if not _ATOM.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    ascii_domain = _ascii_domain(domain)
    return f"{local}@{ascii_domain}" if ascii_domain is not None and local.isprintable() else None


def _ascii_domain(domain: str) -> str | None:
    """IDNA 2008, as the message builder does it; None for what is no domain name."""
    try:
        text = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
    is_name = len(text) <= _DOMAIN_MAX_CHARS and all(_LABEL.fullmatch(label) for label in text.split("."))
    return text if is_name else None
