"""Addresses as mail needs them: the common syntax, and the local parts that this server hands out. Pure."""

from __future__ import annotations

import re

from common.addresses import counterparty_address, domain_of, normalize_address, parse_domain, parse_recipient
from mail import limits

__all__ = [
    "counterparty_address",
    "domain_of",
    "is_valid_local_part",
    "normalize_address",
    "parse_domain",
    "parse_recipient",
]

_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


def is_valid_local_part(text: str) -> bool:
    """Local parts that this server hands out: 1-64 of a-z 0-9 . _ -, alphanumeric ends, no `..` or `--`."""
    return (
        len(text) <= limits.LOCAL_PART_MAX_CHARS
        and bool(_LOCAL_PART.fullmatch(text))
        and ".." not in text
        and "--" not in text
    )
