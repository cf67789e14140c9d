"""Names of sending domains: which may be registered. No database, no network."""

from __future__ import annotations

from django.conf import settings

from common.domain_names import parse_public_domain, refused_domain

# Leaves room for the names below it (`<selector>._domainkey.`, `inkbox-ownership.`) and for a local part before the @.
DOMAIN_MAX_CHARS = 189


def parse_new_domain(raw: str) -> str:
    """A name that an organization may register. Raises Invalid saying why it may not."""
    name = parse_public_domain(raw, max_chars=DOMAIN_MAX_CHARS, example="mail.example.com")
    if _is_platform_name(name):
        raise refused_domain(f"{name} belongs to this server. Send a domain of your own.")
    return name


def _is_platform_name(name: str) -> bool:
    """The mail domain, the tunnel zone and what lies below them."""
    return any(
        name == own or name.endswith(f".{own}")
        for own in (settings.MAIL_DOMAIN, settings.TUNNEL_ZONE, settings.SMTP_HOSTNAME.lower())
    )
