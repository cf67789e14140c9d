"""Address syntax (RFC 5321 section 4.1.2, RFC 6531). Pure."""

from __future__ import annotations

import re

from mail import limits

_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_ATOM = re.compile(r"[^\s()<>\[\]:;@\\,\"\x00-\x1f\x7f]+")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


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
    """A bare address to send to, its domain in lower case; None when it cannot be one.

    Accepts unquoted local parts incl. UTF-8 (RFC 6531) and IDN domains; no display names, comments or routes.
    """
    text = raw.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    local, at, domain = text.rpartition("@")
    if not at or not local or len(text) > limits.ADDRESS_MAX_CHARS or len(local.encode()) > limits.LOCAL_PART_MAX_CHARS:
        return None
    if not _ATOM.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    try:
        ascii_domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        return None
    labels = ascii_domain.split(".")
    if len(ascii_domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return f"{local}@{domain.lower()}"
