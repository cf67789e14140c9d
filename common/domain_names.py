"""Domain names: one spelling for each, and which can be somebody's own. No database, no network."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import idna
from publicsuffix2 import PublicSuffixList

from common.errors import Invalid

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def normalize_domain(raw: str) -> str | None:
    """Lower case, A-labels (IDNA 2008), no final dot; None for what is no host name."""
    text = raw.strip().removesuffix(".")
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii").lower()
        if "xn--" in name:
            idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return None
    return name if len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split(".")) else None


def parse_public_domain(raw: str, *, max_chars: int, example: str) -> str:
    """A name in public DNS that one owner can have. Raises Invalid (of the field `domain`) saying why it is none."""
    name = normalize_domain(raw)
    if name is None or _is_address(name):
        raise refused_domain(f"This is not a domain name. Send one such as {example}.")
    if len(name) > max_chars:
        raise refused_domain(f"The name of a domain has at most {max_chars} characters here.")
    if "." not in name or name.endswith(".localhost"):
        raise refused_domain("This name does not exist in public DNS, so nobody could verify it. Send a public domain.")
    if is_public_suffix(name):
        raise refused_domain(f"{name} is a public suffix, shared by many owners. Send a domain of your own below it.")
    return name


def refused_domain(message: str) -> Invalid:
    """A refusal of the body field `domain`."""
    return Invalid(message, loc=("body", "domain"))


def is_public_suffix(name: str) -> bool:
    """Whether anybody can register names right below this one, as under com and co.uk (publicsuffix.org)."""
    return bool(public_suffixes().get_tld(name, strict=True) == name)


@lru_cache(maxsize=1)
def public_suffixes() -> PublicSuffixList:
    """The public suffix list (publicsuffix.org)."""
    # The list that comes with authheaders is kept current by its releases; nothing is fetched. Reading takes 50 ms.
    package = find_spec("authheaders")
    assert package is not None
    assert package.origin is not None
    with (Path(package.origin).parent / "public_suffix_list.txt").open(encoding="utf-8") as lines:
        return PublicSuffixList(lines)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
