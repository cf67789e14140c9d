"""Handle syntax (contract identities.md section 2). Pure: no database."""

from __future__ import annotations

import re
from urllib.parse import unquote

from common.principal import Profile
from identities import limits
from identities.errors import HandleInvalid

RESERVED = frozenset(
    [
        "admin",
        "api",
        "app",
        "www",
        "mail",
        "smtp",
        "imap",
        "pop",
        "mx",
        "ns",
        "ns1",
        "ns2",
        "autoconfig",
        "autodiscover",
        "mta-sts",
        "abuse",
        "postmaster",
        "hostmaster",
        "webmaster",
        "mailer-daemon",
        "noreply",
        "no-reply",
        "root",
        "security",
        "console",
        "dashboard",
        "docs",
        "status",
        "support-agent",
        "inkbox",
        "system",
        "localhost",
        "shared",
        # Paths of agent-to-agent messaging, where handles will stand too (contract a2a.md section 2).
        "a2a",
        "directory",
        "invitations",
    ]
)
_CHARSET = re.compile(r"[a-z0-9-]+")


def normalize_handle(raw: str) -> str:
    """Strip one leading `@` (raw or percent-encoded) and lowercase. Does not judge."""
    text = (unquote(raw) if "%" in raw else raw).strip().removeprefix("@")
    # A few letters outside ASCII have a lower case inside it (the Kelvin sign is one): they stay as they are.
    return text.lower() if text.isascii() else text


def parse_handle(raw: str, profile: Profile) -> str:
    """The normalized handle. Raises HandleInvalid with the rule that is broken."""
    handle = normalize_handle(raw)
    low, high = (
        (1, limits.SEED_HANDLE_MAX_CHARS)
        if profile is Profile.SEED
        else (
            limits.HANDLE_MIN_CHARS,
            limits.HANDLE_MAX_CHARS,
        )
    )
    if not low <= len(handle) <= high:
        raise HandleInvalid(f"A handle has {low} to {high} characters.")
    if not _CHARSET.fullmatch(handle):
        raise HandleInvalid("A handle consists of letters a-z, digits and hyphens.")
    if handle.startswith("-") or handle.endswith("-"):
        raise HandleInvalid("A handle starts and ends with a letter or digit.")
    if "--" in handle:
        raise HandleInvalid("A handle has no two hyphens in a row.")
    return handle


def fits_global_namespace(handle: str) -> bool:
    """Seed handles may be shorter or longer than a name that is shared with hosts and mailboxes."""
    return limits.HANDLE_MIN_CHARS <= len(handle) <= limits.HANDLE_MAX_CHARS
